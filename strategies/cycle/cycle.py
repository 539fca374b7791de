"""One strategy cycle: every candidate of every active profile on live prices, decisions for what pays.

It reads candidates, remembered facts and Redis, nothing else; only an event that would be bought is read again, facts and
prices, before the decision is written. One cycle a profile at a time by a lock, a nudged event beside it by one of its own;
that no event is decided twice is the database's doing (``decisions.take``), lock or no lock.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from kalbot.common import cache
from kalbot.common.clock import now, now_ms
from markets.book import Depth
from markets.prices import EventPrices, PriceReader
from strategies.catalogue.universe import EventView
from strategies.cycle import candidate_evaluation, candidates, decisions, event_cache, memo
from strategies.cycle.candidate_evaluation import Look
from strategies.cycle.candidates import Candidate, Standing
from strategies.dutch.basket import Basket
from strategies.models import Cycle, Profile
from strategies.screening import episodes, watchlist
from strategies.screening.filters import Miss, Rules, misses
from strategies.screening.screening import active_profiles

log = logging.getLogger(__name__)

LOCK_SECONDS: Final = 8.0
"""A killed worker's lock costs at most that; a cycle that outlives it is safe, only double work."""

STILL_NEAR: Final = timedelta(seconds=60)
BEAT: Final = "beat"
NUDGE: Final = "nudge"


@dataclass(slots=True)
class _Run:
    """One cycle in flight: what was read once for all profiles."""

    row: Cycle
    reader: PriceReader
    views: dict[str, EventView] = field(default_factory=dict)
    prices: dict[str, EventPrices] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)


def run(trigger: str = BEAT, event_tickers: Sequence[str] | None = None) -> Cycle:
    """One cycle over all candidates, or only over ``event_tickers``. Returns its row.

    A fault in one profile is logged and counted, and keeps no other from trading. A nudged cycle that decides nothing is not
    stored (its row comes back without an id): there may be many a second.
    """
    began = time.monotonic()
    reader = PriceReader()
    running = _Run(Cycle(started_at=now(), trigger=trigger), reader)
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
                log.exception("the cycle of profile %s failed", profile.name)
                running.refused["error"] += len(found[profile.pk])
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
    """Look at each candidate of one profile, decide for what pays (the best first), write down the rest."""
    if not found:
        return
    standing = candidates.standing(profile, now())
    seen = _look_at_all(running, profile, found, standing)
    paying = [c for c in found if seen[c.event].basket is not None]
    open_count, room = standing.open_count, standing.room
    for candidate in sorted(paying, key=lambda c: _worth(seen[c.event].basket), reverse=True):
        look, spent = _decide(running, profile, candidate, room, open_count)
        seen[candidate.event] = look
        room -= spent
        open_count += spent > 0
        running.row.decisions += spent > 0
    running.row.candidates += len(found)
    running.row.evaluated += sum(1 for look in seen.values() if look.evaluated)
    running.refused.update(look.constraint for look in seen.values() if look.constraint != candidate_evaluation.DECIDED)
    candidate_evaluation.record(((candidate, seen[candidate.event]) for candidate in found), now())
    _follow(profile, seen)


def _look_at_all(running: _Run, profile: Profile, found: list[Candidate], standing: Standing) -> dict[str, Look]:
    seen: dict[str, Look] = {}
    usable: list[EventView] = []
    paused, rules = candidates.in_blackout(profile, now()), Rules.of(profile)
    for candidate in found:
        view, prices = running.views.get(candidate.event), running.prices.get(candidate.event)
        bad = _blocked(profile, candidate, standing, paused) or _unfit(profile, rules, view, prices)
        if bad is None and view is not None:
            usable.append(view)
        else:
            seen[candidate.event] = Look(bad)
    close = memo.close_ones(profile, usable, running.prices)
    for view in usable:
        books = candidate_evaluation.depths_of(running.prices[view.ticker])
        look = memo.recall(profile, view, books, view.ticker in close)
        if look is None:
            look = _judge(profile, view, books, standing.room)
            memo.remember(profile, view, books, look)
        seen[view.ticker] = look
    return seen


def _blocked(profile: Profile, candidate: Candidate, standing: Standing, paused: bool) -> Miss | None:
    """What keeps the profile from deciding on the event whatever its prices are."""
    taken = standing.taken.get(candidate.event)
    if taken is not None:
        return Miss(taken, "a basket of this event", "one at a time")
    if paused:
        return Miss("blackout", f"{now():%H:%M} UTC", "outside the profile's pauses")
    return _too_many(profile, standing.open_count)


def _unfit(profile: Profile, rules: Rules, view: EventView | None, prices: EventPrices | None) -> Miss | None:
    """Why the event cannot be bought now whatever it costs: it closed, a filter fails since the scan, prices are no prices."""
    if view is None:
        return Miss("not_open", "closed", "an open event")
    missed = misses(view, rules, now_ms())
    return missed[0] if missed else candidate_evaluation.unusable(view, prices, profile.max_price_age_ms, now_ms())


def _too_many(profile: Profile, open_count: int) -> Miss | None:
    if open_count < profile.max_open_positions:
        return None
    return Miss("open_positions", f"{open_count} open", f"at most {profile.max_open_positions - 1} before")


def _judge(profile: Profile, view: EventView, books: dict[str, Depth], room: int) -> Look:
    """A fault in one event must not keep the others from being looked at: it is logged and becomes its verdict."""
    try:
        return candidate_evaluation.look_at(profile, view, books, now_ms(), room)
    except Exception as error:
        log.exception("profile %s could not judge %s", profile.name, view.ticker)
        return Look(Miss("error", type(error).__name__, "an event that can be judged", flip=str(error)[:300]))


def _worth(basket: Basket | None) -> tuple[bool, int]:
    return (False, 0) if basket is None else (basket.guaranteed, basket.profit)


def _decide(running: _Run, profile: Profile, candidate: Candidate, room: int, open_count: int) -> tuple[Look, int]:
    """Read event and prices once more and decide on those. Returns the look and what the decision reserves (0 = none)."""
    view = event_cache.fresh(candidate.event)
    prices = running.reader.events([candidate.event])[candidate.event]
    bad = _too_many(profile, open_count) or _unfit(profile, Rules.of(profile), view, prices)
    if bad is not None or view is None:
        return Look(bad), 0
    look = _judge(profile, view, candidate_evaluation.depths_of(prices), room)
    if look.basket is None:
        return look, 0
    decision = decisions.build(profile, view, look.basket, prices, now_ms())
    if not decisions.take(decision, candidate.verdict_id, candidate.decisions):
        return Look(Miss("raced", "another cycle", "one decision at a time")), 0
    return look, decision.max_cost


def _follow(profile: Profile, seen: dict[str, Look]) -> None:
    """Feed the near-miss episodes with what live books showed; a look at unusable prices says nothing about closeness.

    A recalled look adds nothing to an episode but the proof that it still goes on, which is written now and then.
    """
    running, at = episodes.running(profile), now()
    near: dict[str, episodes.Look] = {}
    ended: dict[str, str] = {}
    for ticker, look in seen.items():
        if look.miss is None:
            ended[ticker] = candidate_evaluation.DECIDED
        elif look.is_near(profile):
            if not (look.recalled and ticker in running and at - running[ticker] < STILL_NEAR):
                near[ticker] = _episode_look(look, look.miss)
        elif look.evaluated:
            ended[ticker] = "moved away"
    episodes.follow(profile, near, {t: word for t, word in ended.items() if t in running}, at)


def _episode_look(look: Look, miss: Miss) -> episodes.Look:
    summary: dict[str, Any] = look.summary
    return episodes.Look(miss.code, miss.distance_ppm or 0, miss.value, miss.limit, miss.flip, look.kind, summary)
