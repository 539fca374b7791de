"""What profiles that judge alike think of the events of a cycle: judged once for all of them.

An event that the money of a profile may matter to is judged once for each sum that may go into it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from kalbot.common import clock
from markets import exchange_hours
from markets.book import Depth
from markets.prices import EventPrices
from strategies.catalogue.universe import EventView
from strategies.cycle import candidate_evaluation, holdings, memo, plausibility
from strategies.cycle.evaluation import most_cost
from strategies.models import Profile
from strategies.profiles import alike
from strategies.reasons import FIXED_BY_BOOKS, Reason
from strategies.screening.filters import Miss, Rules, misses
from strategies.screening.verdict import Status, Verdict, missed

NOT_OPEN: Final = Miss(Reason.NOT_OPEN, "closed", "an open event")
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Shared:
    """``verdicts``: what holds for every profile of the group; ``by_money``: the events whose verdict depends on what may be spent."""

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    by_money: dict[str, EventView] = field(default_factory=dict)
    _known: dict[tuple[str, int], Verdict] = field(default_factory=dict)

    def with_money(
        self, profile: Profile, ticker: str, prices: Mapping[str, EventPrices], capital_left: int
    ) -> Verdict:
        """The verdict of an event of ``by_money`` for a profile that has ``capital_left`` (micro-dollars)."""
        most = most_cost(profile, capital_left)
        verdict = self._known.get((ticker, most))
        if verdict is None:
            books = candidate_evaluation.depths_of(prices[ticker])
            verdict = evaluated(profile, self.by_money[ticker], books, capital_left)
            self._known[ticker, most] = verdict
        return verdict


def judge(
    profile: Profile, tickers: Collection[str], views: Mapping[str, EventView], prices: Mapping[str, EventPrices]
) -> Shared:
    """Judge the events as ``profile`` and all that judge like it do."""
    found, rules = Shared(), Rules.of(profile)
    usable: list[EventView] = []
    shut: dict[int, Miss | None] = {}
    for ticker in tickers:
        view = views.get(ticker)
        bad = unfit(profile, rules, view, prices.get(ticker)) or (None if view is None else _shut(view, shut))
        if bad is not None:
            found.verdicts[ticker] = missed(Status.REJECTED, bad)
        elif view is not None:
            usable.append(view)
    close, key = memo.close_ones(profile, usable, prices), key_of(profile)
    for view in usable:
        books = candidate_evaluation.depths_of(prices[view.ticker])
        verdict = memo.recall(key, view, books, view.ticker in close)
        if verdict is None:
            verdict = evaluated(profile, view, books, profile.working)
            memo.remember(key, view, books, verdict)
        if verdict.constraint in FIXED_BY_BOOKS:
            found.verdicts[view.ticker] = verdict
        else:
            found.by_money[view.ticker] = view
            found._known[view.ticker, most_cost(profile, profile.working)] = verdict
    return found


def key_of(profile: Profile) -> str:
    """Equal where the same event and books give the same verdict: for profiles that judge alike, while the account's write rate allows
    as many legs."""
    return f"{alike.key_of(profile)} {holdings.current().most_legs()}"


def unfit(profile: Profile, rules: Rules, view: EventView | None, prices: EventPrices | None) -> Miss | None:
    """Why the event cannot be bought now whatever it costs: it closed, a filter fails since the scan, prices are no prices."""
    if view is None:
        return NOT_OPEN
    failed = misses(view, rules, clock.now_ms())
    return (
        failed[0] if failed else candidate_evaluation.unusable(view, prices, profile.max_price_age_ms, clock.now_ms())
    )


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


def evaluated(profile: Profile, view: EventView, books: dict[str, Depth], capital_left: int) -> Verdict:
    """A fault in one event must not keep the others from being evaluated: it is logged and becomes its verdict."""
    try:
        verdict = candidate_evaluation.evaluate_candidate(profile, view, books, clock.now_ms(), capital_left)
        return plausibility.checked(verdict, profile, view, books)
    except Exception as error:
        log.exception("evaluation failed: profile %s, event %s", profile.name, view.ticker)
        fault = Miss(Reason.ERROR, type(error).__name__, "an event that can be evaluated", flip=str(error)[:300])
        return missed(Status.REJECTED, fault)
