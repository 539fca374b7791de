"""The evaluation of one candidate on live prices, and what is written about it.

It ends in a basket that could be bought now, or in the one constraint that stands in the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from kalbot.common.db import soon
from markets.book import Depth
from markets.prices import EventPrices
from strategies.catalogue.universe import EventView
from strategies.cycle import candidates
from strategies.cycle.candidates import Candidate, Listed
from strategies.cycle.evaluation import evaluate, limits_of, verdict_of
from strategies.models import Profile
from strategies.models import Verdict as VerdictRow
from strategies.reasons import Reason
from strategies.screening.filters import Miss
from strategies.screening.verdict import Verdict

REWRITE: Final = timedelta(seconds=10)
"""A verdict that differs only in its numbers is written at most this often."""

_EMPTY_BOOK: Final = "no_side"
"""``EventPrices.usable`` for a book without a level: no reason here, because the search knows sides without a price."""


def unusable(event: EventView, prices: EventPrices | None, max_age_ms: int, now_ms: int) -> Miss | None:
    """Why these prices must not be traded on, or None."""
    if prices is None:
        return Miss(Reason.NO_BOOK, "not watched", "a live book on every leg")
    for outcome in event.outcomes:
        code = prices.usable([outcome.ticker], max_age_ms, now_ms)
        if code is None or code == _EMPTY_BOOK:
            continue
        reason = Reason(code)
        if reason is Reason.STALE:
            return Miss(reason, f"{prices.age_ms(now_ms)} ms old", f"at most {max_age_ms} ms")
        return Miss(reason, outcome.ticker, "a live, gap-free book on every leg")
    extra = prices.markets.keys() - {outcome.ticker for outcome in event.outcomes}
    if extra:
        return Miss(Reason.OUTCOMES_CHANGED, sorted(extra)[0], "the outcomes of the last scan")
    return None


def evaluate_candidate(
    profile: Profile, event: EventView, books: Mapping[str, Depth], now_ms: int, capital_left: int
) -> Verdict:
    """The verdict of ``event`` on its live books. ``capital_left``: of the profile's capital, micro-dollars."""
    return verdict_of(evaluate(event, books, limits_of(profile, event, now_ms, capital_left)), profile)


def depths_of(prices: EventPrices) -> dict[str, Depth]:
    """market ticker -> book, for the markets that have one."""
    return {ticker: market.depth for ticker, market in prices.markets.items() if market.depth is not None}


_LIVE: Final = ("live_at", "live_constraint", "live_value", "live_limit", "live_distance_ppm", "live_flip")


def record(profile: Profile, listed: Listed, verdicts: Iterable[tuple[str, Verdict]], at: datetime, most: int) -> int:
    """Write the verdicts (by event) that say something new, the first ``most`` of them, into their rows' ``live_*`` columns. Returns how
    many rows."""
    written: list[tuple[Candidate, Miss, Verdict]] = []
    for event, verdict in verdicts:
        if len(written) >= most:
            break
        candidate = listed.by_event.get(event)
        if candidate is None:
            continue  # a cycle in another thread has taken it from the list since
        miss = verdict.miss or Miss(Reason.DECIDED, "", "")
        if candidate.live_constraint == miss.code:
            if candidate.live_value == miss.value[:60]:
                listed.said[event] = verdict
                continue
            if candidate.live_at is not None and at - candidate.live_at < REWRITE:
                continue
        written.append((candidate, miss, verdict))
    rows = [
        (c.verdict_id, (at, miss.code.value, miss.value[:60], miss.limit[:60], miss.distance_ppm, miss.flip[:300]))
        for c, miss, _ in written
    ]
    soon.update_rows(VerdictRow, _LIVE, rows)  # for a page: what is decided is judged again
    for candidate, miss, verdict in written:
        now = replace(candidate, live_constraint=miss.code.value, live_value=miss.value[:60], live_at=at)
        candidates.update(profile, listed, now)
        listed.said[candidate.event] = verdict
    return len(rows)
