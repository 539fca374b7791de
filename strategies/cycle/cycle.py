"""One strategy cycle: every candidate of every active profile on live prices, decisions for what pays.

It reads candidates, remembered facts and Redis, nothing else; only an event that would be bought is read again, facts and
prices, before the decision is written. One cycle a profile at a time by a lock, a nudged event beside it by one of its own;
that no event is decided twice is the database's doing (``decisions.take``), lock or no lock.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from kalbot.common import cache, clock, trace
from kalbot.common.trace import Stage
from markets import exchange_hours, prices
from markets.book import Depth
from markets.prices import EventPrices, Prices
from strategies.catalogue.universe import EventView
from strategies.cycle import (
    allocation,
    candidate_evaluation,
    candidates,
    decisions,
    event_cache,
    memo,
    plausibility,
    quotes,
)
from strategies.cycle.candidates import Candidate, Exposure
from strategies.models import Cycle, Decision, Profile
from strategies.profiles.blackout import in_blackout
from strategies.reasons import Reason
from strategies.screening import episodes, watchlist
from strategies.screening.filters import Miss, Rules, misses
from strategies.screening.screening import active_profiles
from strategies.screening.verdict import Status, Verdict, missed, passed_over

log = logging.getLogger(__name__)

LOCK_SECONDS: Final = 8.0
"""A killed worker's lock costs at most that; a cycle that outlives it is safe, only double work."""

STILL_NEAR: Final = timedelta(seconds=60)
BEAT: Final = "beat"
NUDGE: Final = "nudge"
NOT_OPEN: Final = Miss(Reason.NOT_OPEN, "closed", "an open event")


@dataclass(slots=True)
class _Run:
    """One cycle in flight: what was read once for all profiles."""

    row: Cycle
    reader: Prices
    moments: Mapping[Stage, int]
    views: dict[str, EventView] = field(default_factory=dict)
    prices: dict[str, EventPrices] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)


def run(
    trigger: str = BEAT, event_tickers: Sequence[str] | None = None, moments: Mapping[Stage, int] | None = None
) -> Cycle:
    """One cycle over all candidates, or only over ``event_tickers``. Returns its row.

    A fault in one profile is logged and counted, and keeps no other from trading. A nudged cycle that decides nothing is not
    stored (its row comes back without an id): there may be many a second. ``moments``: what its message says of its way here.
    """
    began = time.monotonic()
    reader = prices.reader()
    running = _Run(
        Cycle(started_at=clock.now(), trigger=trigger), reader, {**(moments or {}), Stage.STARTED: trace.now()}
    )
    profiles = active_profiles()
    if event_tickers is None:
        watchlist.refresh(profiles, reader)
    else:
        profiles = candidates.interested(profiles, event_tickers)
    about = "" if event_tickers is None else ":" + ",".join(sorted(event_tickers))
    with ExitStack() as locks:
        mine = [p for p in profiles if locks.enter_context(cache.lock(f"cycle:{p.pk}{about}", LOCK_SECONDS))]
        found = {profile.pk: candidates.of(profile, event_tickers) for profile in mine}
        _read(running, sorted({c.event for group in found.values() for c in group}))
        for profile in mine:
            try:
                _consider(running, profile, found[profile.pk])
            except Exception:
                log.exception("cycle failed: profile %s", profile.name)
                running.refused[Reason.ERROR.value] += len(found[profile.pk])
    row = running.row
    row.refused = dict(running.refused.most_common())
    row.duration_ms = int((time.monotonic() - began) * 1000)
    if trigger == BEAT or row.decisions:
        row.save()
    return row


def _read(running: _Run, tickers: list[str]) -> None:
    """Facts and prices of all events at once; every leg's book is of the same instant."""
    running.views = event_cache.current(tickers)
    began = time.monotonic()
    running.prices = running.reader.events(tickers) if tickers else {}
    running.row.read_ms = int((time.monotonic() - began) * 1000)


def _consider(running: _Run, profile: Profile, found: list[Candidate]) -> None:
    """Evaluate each candidate of one profile, decide for what pays (the best set), record the verdicts."""
    if not found:
        return
    exposure = candidates.exposure(profile, clock.now())
    verdicts = _evaluate_all(running, profile, found, exposure)
    paying = [c for c in found if verdicts[c.event].status is Status.CANDIDATE]
    open_count, capital_left = exposure.open_count, exposure.capital_left
    taken = [c for c in paying if not verdicts[c.event].quote]
    allocated = allocation.allocate(profile, taken, verdicts, exposure)
    for event, miss in allocated.passed_over.items():
        verdicts[event] = passed_over(verdicts[event], miss)
    quoting, free = _quoting(profile, paying, verdicts, exposure.quotes)
    for turn in [*allocated.turns, *quoting[:free]]:
        allowed = capital_left if turn.capital is None else min(capital_left, turn.capital)
        verdict, spent = _decide(running, profile, turn.candidate, allowed, open_count)
        verdicts[turn.candidate.event] = verdict
        capital_left -= spent
        open_count += spent > 0
        running.row.decisions += spent > 0
    running.row.candidates += len(found)
    running.row.evaluated += sum(1 for verdict in verdicts.values() if verdict.on_books)
    running.refused.update(v.constraint.value for v in verdicts.values() if v.constraint is not None)
    candidate_evaluation.record(((candidate, verdicts[candidate.event]) for candidate in found), clock.now())
    _follow(profile, verdicts)


def _quoting(
    profile: Profile, paying: Sequence[Candidate], verdicts: dict[str, Verdict], open_quotes: int
) -> tuple[list[allocation.Turn], int]:
    """The candidates that may be quoted, those that keep most first, and how many of them; the others' verdicts say why not."""
    ranked = sorted((c for c in paying if verdicts[c.event].quote), key=lambda c: -_margin(verdicts[c.event]))
    free = max(0, profile.max_quotes - open_quotes)
    for candidate in ranked[free:]:
        miss = Miss(Reason.QUOTES, f"{open_quotes} quoted", f"at most {profile.max_quotes} at once")
        verdicts[candidate.event] = passed_over(verdicts[candidate.event], miss)
    return [allocation.Turn(candidate) for candidate in ranked], free


def _margin(verdict: Verdict) -> int:
    return 0 if verdict.basket is None else verdict.basket.margin_ppm


def _evaluate_all(running: _Run, profile: Profile, found: list[Candidate], exposure: Exposure) -> dict[str, Verdict]:
    verdicts: dict[str, Verdict] = {}
    usable: list[EventView] = []
    paused, rules = in_blackout(profile.blackout, clock.now()), Rules.of(profile)
    shut: dict[int, Miss | None] = {}
    for candidate in found:
        view, prices = running.views.get(candidate.event), running.prices.get(candidate.event)
        bad = (
            _blocked(profile, candidate, exposure, paused)
            or _unfit(profile, rules, view, prices)
            or (None if view is None else _shut(view, shut))
        )
        if bad is not None:
            verdicts[candidate.event] = missed(Status.REJECTED, bad)
        elif view is not None:
            usable.append(view)
    close = memo.close_ones(profile, usable, running.prices)
    for view in usable:
        books = candidate_evaluation.depths_of(running.prices[view.ticker])
        verdict = memo.recall(profile, view, books, view.ticker in close)
        if verdict is None:
            verdict = _evaluate(profile, view, books, exposure.capital_left)
            memo.remember(profile, view, books, verdict)
        verdicts[view.ticker] = _quoted(profile, view, books, verdict, exposure.capital_left)
    return verdicts


def _blocked(profile: Profile, candidate: Candidate, exposure: Exposure, paused: bool) -> Miss | None:
    """What keeps the profile from deciding on the event whatever its prices are."""
    blocked = exposure.blocked.get(candidate.event)
    if blocked is not None:
        return Miss(blocked, "a basket of this event", "one at a time")
    if paused:
        return Miss(Reason.BLACKOUT, f"{clock.now():%H:%M} UTC", "outside the profile's pauses")
    return _too_many(profile, exposure.open_count)


def _shut(view: EventView, known: dict[int, Miss | None]) -> Miss | None:
    """Whether the exchange takes no orders where the event trades, or soon will not, as far as is known: trading reads it again
    where that matters. ``known``: the shards that were checked already."""
    for shard in view.shards:
        if shard not in known:
            found = exchange_hours.obstacle(shard, is_live=False)
            wanted = "open, and no pause soon"
            known[shard] = None if found is None else Miss(Reason.EXCHANGE_SHUT, found.detail, wanted)
        if known[shard] is not None:
            return known[shard]
    return None


def _unfit(profile: Profile, rules: Rules, view: EventView | None, prices: EventPrices | None) -> Miss | None:
    """Why the event cannot be bought now whatever it costs: it closed, a filter fails since the scan, prices are no prices."""
    if view is None:
        return NOT_OPEN
    failed = misses(view, rules, clock.now_ms())
    return (
        failed[0] if failed else candidate_evaluation.unusable(view, prices, profile.max_price_age_ms, clock.now_ms())
    )


def _too_many(profile: Profile, open_count: int) -> Miss | None:
    if open_count < profile.max_open_positions:
        return None
    return Miss(Reason.OPEN_POSITIONS, f"{open_count} open", f"at most {profile.max_open_positions - 1} before")


def _evaluate(profile: Profile, view: EventView, books: dict[str, Depth], capital_left: int) -> Verdict:
    """A fault in one event must not keep the others from being evaluated: it is logged and becomes its verdict."""
    try:
        verdict = candidate_evaluation.evaluate_candidate(profile, view, books, clock.now_ms(), capital_left)
        return plausibility.checked(verdict, profile, view, books)
    except Exception as error:
        log.exception("evaluation failed: profile %s, event %s", profile.name, view.ticker)
        fault = Miss(Reason.ERROR, type(error).__name__, "an event that can be evaluated", flip=str(error)[:300])
        return missed(Status.REJECTED, fault)


def _quoted(profile: Profile, view: EventView, books: dict[str, Depth], taken: Verdict, capital_left: int) -> Verdict:
    """``taken``, or what may rest in its place. A fault is the event's alone, as in ``_evaluate``."""
    try:
        return plausibility.checked(quotes.instead(profile, view, books, taken, capital_left), profile, view, books)
    except Exception as error:
        log.exception("quoting failed: profile %s, event %s", profile.name, view.ticker)
        fault = Miss(Reason.ERROR, type(error).__name__, "an event that can be evaluated", flip=str(error)[:300])
        return missed(Status.REJECTED, fault)


def _decide(
    running: _Run, profile: Profile, candidate: Candidate, capital_left: int, open_count: int
) -> tuple[Verdict, int]:
    """Read event and prices once more and decide on those. Returns the verdict and what the decision reserves (0 = none)."""
    view = event_cache.fresh(candidate.event)
    prices = running.reader.events([candidate.event])[candidate.event]
    if view is None:
        return missed(Status.REJECTED, NOT_OPEN), 0
    bad = _too_many(profile, open_count) or _unfit(profile, Rules.of(profile), view, prices)
    if bad is not None:
        return missed(Status.REJECTED, bad), 0
    books = candidate_evaluation.depths_of(prices)
    verdict = _quoted(profile, view, books, _evaluate(profile, view, books, capital_left), capital_left)
    if verdict.status is not Status.CANDIDATE or verdict.basket is None:
        return verdict, 0
    decision = decisions.build(profile, view, verdict.basket, prices, clock.now_ms(), verdict.quote)
    decision.trace = traced(decision, running.moments)
    if not decisions.take(decision, candidate.verdict_id, candidate.decisions):
        return missed(Status.REJECTED, Miss(Reason.RACED, "another cycle", "one decision at a time")), 0
    return verdict, decision.max_cost


def traced(decision: Decision, moments: Mapping[Stage, int]) -> trace.Trace:
    """The way to a decision that is made now. What happened before the newest frame behind it is about another one."""
    received = max((leg["receive_ms"] for leg in decision.legs), default=0) * 1000
    found: trace.Trace = {Stage.RECEIVED.value: received, Stage.DECIDED.value: trace.now()}
    return found | {stage.value: at for stage, at in moments.items() if at >= received}


def _follow(profile: Profile, verdicts: dict[str, Verdict]) -> None:
    """Feed the near-miss episodes with what live books showed; unusable prices say nothing about closeness.

    A recalled verdict adds nothing to an episode but the proof that it still goes on, which is written now and then.
    """
    running, at = episodes.running(profile), clock.now()
    near: dict[str, Verdict] = {}
    ended: dict[str, str] = {}
    for ticker, verdict in verdicts.items():
        if verdict.status is Status.CANDIDATE:
            ended[ticker] = Reason.DECIDED.value
        elif not verdict.on_books:
            continue
        elif verdict.status is Status.REJECTED:
            ended[ticker] = "moved away"
        elif not (verdict.recalled and ticker in running and at - running[ticker] < STILL_NEAR):
            near[ticker] = verdict
    episodes.follow(profile, near, {ticker: became for ticker, became in ended.items() if ticker in running}, at)
