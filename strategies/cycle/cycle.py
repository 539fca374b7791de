"""One strategy cycle: every candidate of every active profile on live prices, decisions for what pays.

It reads candidates, remembered facts and Redis, nothing else; only an event that would be bought is read again, facts and
prices, before the decision is written. One cycle a profile at a time by a lock, a nudged event beside it by one of its own;
that no event is decided twice is the database's doing (``decisions.take``), lock or no lock.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import compress
from typing import Final

from kalbot.common import clock, trace
from kalbot.common.db import soon
from kalbot.common.locks import acquired
from kalbot.common.trace import Stage
from markets import exchange_hours, prices
from markets.book import Depth
from markets.prices import Ahead
from strategies.catalogue.universe import EventView
from strategies.collateral.baskets import locks
from strategies.cycle import (
    allocation,
    candidate_evaluation,
    candidates,
    claims,
    concerned,
    decisions,
    hurdles,
    near_misses,
    plausibility,
    quote_capital,
    quote_places,
    quotes,
    returned,
)
from strategies.cycle.candidates import Candidate, Exposure, Listed
from strategies.cycle.quote_places import Places
from strategies.cycle.running import Run
from strategies.cycle.shared import NOT_OPEN, Shared, evaluated, judge, rejected, stopped_by, unfit
from strategies.cycle.turns import Turns
from strategies.models import Cycle, Profile
from strategies.profiles import alike
from strategies.reasons import Reason
from strategies.screening import watchlist
from strategies.screening.filters import Miss, Rules
from strategies.screening.screening import active_profiles
from strategies.screening.verdict import Status, Verdict, missed, passed_over

log = logging.getLogger(__name__)

LOCK_SECONDS: Final = 8.0
"""A killed worker's lock costs at most that; a cycle that outlives it is safe, only double work."""

MOST_ROWS: Final = 20_000
"""Verdict rows that one cycle writes, so that none takes minutes because a reason holds for every event of many profiles (a stream that
is silent, a pause). The others follow in the next ones."""
LEAST_ROWS: Final = 100
"""What every profile may write in any case."""
BEAT: Final = "beat"
NUDGE: Final = "nudge"


def run(
    trigger: str = BEAT,
    event_tickers: Sequence[str] | None = None,
    moments: Mapping[Stage, int] | None = None,
    turns: Callable[[Cycle], Turns] = Turns,
    only: str = "",
) -> Cycle:
    """One cycle over all candidates, or only over ``event_tickers``. Returns its row.

    A fault in one profile is logged and counted, and keeps no other from trading. A nudged cycle that decides nothing is not
    stored (its row comes back without an id): there may be many a second. ``moments``: what its message says of its way here.
    ``turns``: what writes down when it judges. ``only``: the name of one profile, where the others are judged elsewhere.
    """
    began = time.monotonic()
    reader, row = prices.reader(), Cycle(started_at=clock.now(), trigger=trigger)
    running = Run(row, turns(row), reader, {**(moments or {}), Stage.STARTED: trace.now()}, Ahead(reader, ()))
    if event_tickers is None:
        profiles, listed = active_profiles(), None
        watchlist.refresh(profiles, reader)
    else:
        event_tickers, profiles, listed, running.apart, views, exposed = concerned.by(event_tickers)
        running.know(views, exposed)
    profiles = [profile for profile in profiles if only in ("", profile.name)]
    about = "" if event_tickers is None else ":" + ",".join(sorted(event_tickers))
    beside, locks_of = [exchange_hours.KEY, *running.ahead.keys], [f"cycle:{p.pk}{about}" for p in profiles]
    with acquired(locks_of, LOCK_SECONDS, beside) as (got, (hours, *known)):
        mine, running.hours = list(compress(profiles, got)), exchange_hours.stored(hours)
        running.ahead.know(known)
        found = candidates.lists(mine) if listed is None else {p.pk: listed.get(p.pk) or Listed({}) for p in mine}
        running.read(sorted(set().union(*(listed.by_event.keys() for listed in found.values()))), mine)
        _consider_all(running, mine, found)
    row.refused = dict((+running.refused).most_common())
    row.duration_ms = int((time.monotonic() - began) * 1000)
    if trigger == BEAT or row.decisions:
        soon.insert([row])  # for a page; decisions say for themselves what was decided
    return row


def _consider_all(running: Run, profiles: Sequence[Profile], found: Mapping[int, Listed]) -> None:
    """Decide for one profile after the other, each in its turn (``claims.in_turn``); those that judge alike judge once. A fault in one
    keeps no other from it."""
    group_of = {profile.pk: group for group in alike.groups(profiles) for profile in group}
    judged: dict[int, Shared] = {}
    running.rows = max(LEAST_ROWS, MOST_ROWS // max(1, len(profiles)))
    for profile in claims.in_turn(profiles):
        try:
            group = group_of[profile.pk]
            first = group[0].pk
            if first not in judged:
                events = sorted(set().union(*(found[one.pk].by_event.keys() for one in group)))
                judged[first] = judge(profile, events, running.views, running.prices, running.read_at_ms, running.hours)
            _consider(running, profile, found[profile.pk], judged[first])
        except Exception:
            log.exception("cycle failed: profile %s", profile.name)
            candidates.forget(profile)
            near_misses.forget(profile)
            running.refused[Reason.ERROR.value] += len(found[profile.pk].by_event)


def _consider(running: Run, profile: Profile, listed: Listed, shared: Shared) -> None:
    """Decide for what pays (the best set) among the candidates of one profile, and record the verdicts.

    What holds for all that judge like it is not gone through again: only its own verdicts are, and what has changed.
    """
    if not listed.by_event:
        return
    running.turns.turn(profile)
    before = dict(listed.by_event)  # the counts of decisions as they were before the open ones are read
    exposure = running.exposure(profile)
    shared = shared.of(listed.by_event.keys())
    own = _own_verdicts(running, profile, listed, exposure, shared)
    paying = [before[event] for event, one in own.items() if event in before and one.status is Status.CANDIDATE]
    paying.sort(key=lambda candidate: candidate.rank)
    taken = [c for c in paying if not own[c.event].quote]
    allocated = allocation.allocate(profile, taken, own, exposure, price_waits=running.row.trigger == NUDGE)
    for event, miss in allocated.passed_over.items():
        own[event] = passed_over(own[event], miss)
    places = quote_places.of(profile, paying, own, exposure.quotes)
    if exposure.quotes and running.row.trigger == BEAT:
        _replace(running, profile, places, own, exposure, shared)
    try:
        for turn in [*allocated.turns, *places.turns]:
            allowed = exposure.with_at_most(turn.capital)
            own[turn.candidate.event], spent = _decide(running, profile, listed, turn.candidate, allowed, shared)
            exposure = exposure.after(spent)
            running.row.decisions += spent > 0
    finally:
        hurdles.note(profile, allocated.offers)
    running.row.candidates += len(listed.by_event)
    _count(running, own, shared)
    candidate_evaluation.record(profile, listed, _new(own, shared, listed), clock.now(), running.rows)
    near_misses.follow(profile, own, shared, clock.now())
    if running.row.trigger == BEAT and not running.has_learnt and not allocated.offers:
        running.has_learnt = hurdles.refresh(profile, exposure.hurdle, exposure.at_work)  # one a cycle


def _new(own: Mapping[str, Verdict], shared: Shared, listed: Listed) -> list[tuple[str, Verdict]]:
    """The verdicts that the rows of one profile do not say yet, what was decided first."""
    said = listed.said
    new = [(event, verdict) for event, verdict in own.items() if said.get(event) is not verdict]
    new.sort(key=lambda each: each[1].status is not Status.CANDIDATE)
    return new + [(e, v) for e, v in shared.verdicts.items() if said.get(e) is not v and e not in own]


def _count(running: Run, own: Mapping[str, Verdict], shared: Shared) -> None:
    """Add one profile's verdicts to the totals of the cycle: its own, and the shared ones that they do not replace."""
    replaced = [verdict for event in own if (verdict := shared.verdicts.get(event)) is not None]
    running.row.evaluated += shared.on_books
    running.row.evaluated += sum(v.on_books for v in own.values()) - sum(v.on_books for v in replaced)
    running.refused.update(shared.refused)
    running.refused.update(v.constraint.value for v in own.values() if v.constraint is not None)
    running.refused.subtract(v.constraint.value for v in replaced if v.constraint is not None)


def _replace(
    running: Run, profile: Profile, places: Places, own: dict[str, Verdict], exposure: Exposure, shared: Shared
) -> None:
    """Have an idle quote withdrawn for what is expected to return much more and waits for its place, or for its money."""

    def judged(event: str) -> Verdict | None:
        view, price = running.views.get(event), running.prices.get(event)
        if view is None or price is None:
            return None
        books = candidate_evaluation.depths_of(price)
        return _quoted(profile, view, books, evaluated(profile, view, books, profile.working), profile.working)

    def with_all(event: str) -> Verdict | None:
        if own[event].constraint is Reason.QUOTE_COST:
            return judged(event)
        known = event in shared.by_money and event not in exposure.blocked
        return shared.with_capital(profile, event, running.prices, profile.working, exposure.choices) if known else None

    if places.waiting is None or quote_places.replace(profile, *places.waiting, judged) is None:
        quote_capital.replace(profile, own, exposure, with_all, judged)


def _own_verdicts(
    running: Run, profile: Profile, listed: Listed, exposure: Exposure, shared: Shared
) -> dict[str, Verdict]:
    """The verdicts in which the profile differs from those that judge like it: what blocks it whatever the prices are, what its money
    decides, what it quotes."""
    stopped = stopped_by(profile, exposure)
    if stopped is not None:
        own = dict.fromkeys(listed.by_event, rejected(stopped))
    else:
        own = {
            event: shared.with_capital(profile, event, running.prices, exposure.capital_left, exposure.choices)
            for event in shared.by_money
            if event not in exposure.blocked
        }
        if profile.quoting != Profile.Quoting.NONE:
            _quote_instead(running, profile, own, exposure, shared)
    for event in exposure.blocked.keys() & listed.by_event.keys():
        own[event] = rejected(Miss(exposure.blocked[event], "a basket of this event", "one at a time"))
    return own


def _quote_instead(running: Run, profile: Profile, own: dict[str, Verdict], exposure: Exposure, shared: Shared) -> None:
    """Put what may rest in the place of what does not pay when it is taken."""
    for event, verdict in (shared.verdicts | own).items():
        view, prices = running.views.get(event), running.prices.get(event)
        if verdict.on_books and event not in exposure.blocked and view is not None and prices is not None:
            books = candidate_evaluation.depths_of(prices)
            own[event] = _quoted(profile, view, books, verdict, exposure.capital_left)


def _quoted(profile: Profile, view: EventView, books: dict[str, Depth], taken: Verdict, capital_left: int) -> Verdict:
    """``taken``, or what may rest in its place. A fault is the event's alone, as in ``_evaluate``."""
    try:
        return plausibility.checked(quotes.instead(profile, view, books, taken, capital_left), profile, view, books)
    except Exception as error:
        log.exception("quoting failed: profile %s, event %s", profile.name, view.ticker)
        fault = Miss(Reason.ERROR, type(error).__name__, "an event that can be evaluated", flip=str(error)[:300])
        return missed(Status.REJECTED, fault)


def _decide(
    running: Run, profile: Profile, listed: Listed, candidate: Candidate, exposure: Exposure, shared: Shared
) -> tuple[Verdict, int]:
    """Read event and prices once more and decide on those. Returns the verdict and what the decision locks (0 = none)."""
    view = running.view(candidate.event)
    if view is None:
        return missed(Status.REJECTED, NOT_OPEN), 0
    running.turns.event(profile, view.ticker)
    view, prices = running.again(view, profile)
    bad = exposure.too_many(profile) or unfit(profile, Rules.of(profile), view, prices)
    if bad is not None:
        return missed(Status.REJECTED, bad), 0
    claimed = claims.of(profile, {outcome.ticker for outcome in view.outcomes})
    books = claimed.left(candidate_evaluation.depths_of(prices))
    known = (
        None if claimed.own or claimed.taken else shared.again(profile, view, prices, running.prices.get(view.ticker))
    )
    reach = known or partial(evaluated, profile, view, claimed.reach(books))
    taken = returned.judged(profile, exposure.choices, exposure.capital_left, reach)
    verdict = _quoted(profile, view, books, taken, exposure.capital_left)
    if verdict.status is not Status.CANDIDATE or verdict.basket is None:
        return verdict, 0
    decision = decisions.build(profile, view, verdict.basket, prices, clock.now_ms(), verdict.quote)
    decision.trace = decisions.traced(decision, running.moments)
    if not decisions.take(decision, candidate.verdict_id, candidate.decisions, view, claimed):
        candidates.forget(profile)
        return missed(Status.REJECTED, Miss(Reason.RACED, "another cycle", "one decision at a time")), 0
    candidates.update(profile, listed, replace(candidate, decisions=candidate.decisions + 1))
    return verdict, locks(verdict.basket, None if verdict.quote else exposure.choices)
