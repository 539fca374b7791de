"""What profiles that judge alike think of the events of a cycle: judged once for all of them.

An event that the money of a profile may matter to is judged once for each sum that may go into it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Final

from kalbot.common import clock
from markets import exchange_hours
from markets.book import Depth
from markets.prices import EventPrices
from strategies.catalogue.universe import EventView
from strategies.collateral.groups import Choices
from strategies.cycle import candidate_evaluation, holdings, memo, plausibility
from strategies.cycle.candidates import Exposure
from strategies.cycle.evaluation import limits_of, most_cost
from strategies.cycle.returned import judged
from strategies.models import Profile
from strategies.profiles import alike
from strategies.profiles.blackout import in_blackout
from strategies.reasons import FIXED_BY_BOOKS, Reason
from strategies.screening.filters import Miss, Rules, misses
from strategies.screening.verdict import Status, Verdict, missed

JUDGED_FOR_MS: Final = 1_000
"""The same event on the same books is not judged again within it: only the time to its settlement has changed, by so much."""
SCREENED: Final = 3
"""Events from which on a screen of all costs less than to judge each exactly."""
NOT_OPEN: Final = Miss(Reason.NOT_OPEN, "closed", "an open event")
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Shared:
    """``verdicts``: what holds for every profile of the group; ``by_money``: the events whose verdict depends on what may be spent;
    ``judged_ms``: when their prices were read.

    The sums are over ``verdicts``: how many by constraint (``refused``) and on books, and which are near misses on books.
    """

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    by_money: dict[str, EventView] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    on_books: int = 0
    near: dict[str, Verdict] = field(default_factory=dict)
    judged_ms: int = 0
    _known: dict[tuple[str, int], Verdict] = field(default_factory=dict)

    def sum(self) -> None:
        """Fill in the sums, once all verdicts are there."""
        for ticker, verdict in self.verdicts.items():
            if verdict.constraint is not None:
                self.refused[verdict.constraint.value] += 1
            if verdict.on_books:
                self.on_books += 1
                if verdict.status is Status.NEAR_MISS:
                    self.near[ticker] = verdict

    def of(self, events: Set[str]) -> Shared:
        """The same for ``events`` alone; itself when those are all."""
        if len(events) == len(self.verdicts) + len(self.by_money):
            return self
        verdicts = {event: verdict for event, verdict in self.verdicts.items() if event in events}
        fewer = Shared(verdicts, {event: view for event, view in self.by_money.items() if event in events})
        fewer._known, fewer.judged_ms = self._known, self.judged_ms
        fewer.sum()
        return fewer

    def again(
        self, profile: Profile, view: EventView, on: EventPrices, before: EventPrices | None
    ) -> Callable[[int], Verdict] | None:
        """What judges ``view`` for capital as it was judged on prices ``before``, where both are still the same now that they are read
        again: what was found holds. None where they are not, and it must be judged again."""
        is_same = before is not None and before.markets is on.markets and before.epoch == on.epoch
        known = self.by_money.get(view.ticker)
        if not is_same or known is None or known != view or clock.now_ms() - self.judged_ms > JUDGED_FOR_MS:
            return None
        return partial(self._with_money, profile, view.ticker, {view.ticker: on})

    def with_capital(
        self,
        profile: Profile,
        ticker: str,
        prices: Mapping[str, EventPrices],
        capital_left: int,
        choices: Choices | None,
    ) -> Verdict:
        """The verdict of an event of ``by_money`` for a profile that has ``capital_left``, micro-dollars. ``choices``: see ``Exposure``."""
        return judged(profile, choices, capital_left, partial(self._with_money, profile, ticker, prices))

    def _with_money(
        self, profile: Profile, ticker: str, prices: Mapping[str, EventPrices], capital_left: int
    ) -> Verdict:
        """The same for a profile whose baskets lock their price."""
        most = most_cost(profile, capital_left)
        verdict = self._known.get((ticker, most))
        if verdict is None:
            books = candidate_evaluation.depths_of(prices[ticker])
            verdict = evaluated(profile, self.by_money[ticker], books, capital_left)
            self._known[ticker, most] = verdict
        return verdict


def judge(
    profile: Profile,
    tickers: Collection[str],
    views: Mapping[str, EventView],
    prices: Mapping[str, EventPrices],
    now_ms: int,
    hours: exchange_hours.Answer | None,
) -> Shared:
    """Judge the events as ``profile`` and all that judge like it do. ``now_ms``: when the prices were read, so that none grows too old
    by the time that the cycle itself takes; what is bought is read again. ``hours``: what the exchange said last of its status."""
    found, rules, memory = Shared(judged_ms=now_ms), Rules.of(profile), memo.of(key_of(profile))
    shut: dict[tuple[int, ...], Miss | None] = {}
    moved: list[EventView] = []
    for ticker in tickers:
        view, price = views.get(ticker), prices.get(ticker)
        if view is None:
            found.verdicts[ticker] = rejected(NOT_OPEN)
            continue
        bad = _unfit_whatever_its_books(profile, rules, memory, view, price, now_ms) or _shut(view, shut, hours)
        if bad is not None:
            found.verdicts[ticker] = rejected(bad)
        elif price is not None and (known := memory.unmoved(view, price.markets)) is not None:
            found.verdicts[ticker] = known
        else:
            moved.append(view)
    close = _close(profile, moved, prices)
    for view in moved:
        known = memory.waiting(view) if view.ticker not in close else None
        if known is None:
            _judge_books(found, profile, memory, view, prices[view.ticker], now_ms)
        else:
            found.verdicts[view.ticker] = known
    found.sum()
    return found


def _unfit_whatever_its_books(
    profile: Profile, rules: Rules, memory: memo.Memory, view: EventView, price: EventPrices | None, now_ms: int
) -> Miss | None:
    """Why the event cannot be bought: a filter fails since the scan, or nothing that is alive says what it costs."""
    if not memory.fits(view, now_ms):
        failed = misses(view, rules, now_ms)
        if failed:
            return failed[0]
        # Of the filters only those of the time to the end depend on the time, and an event does not become too far away.
        memory.passed(view, (view.ends_ms or now_ms) - profile.min_seconds_to_close * 1000)
    if price is None or price.silent(profile.max_price_age_ms, now_ms) is not None:
        return candidate_evaluation.unusable(view, price, profile.max_price_age_ms, now_ms)
    return None


def _close(profile: Profile, moved: Sequence[EventView], prices: Mapping[str, EventPrices]) -> Set[str]:
    """Tickers of what is to be judged exactly now: everything, where that is little."""
    if not moved or len(moved) >= SCREENED:
        return memo.close_ones(profile, moved, prices)
    limits_of(profile, moved[0], 0)  # a profile that cannot be worked with fails as a whole, here too
    return {view.ticker for view in moved}


def _judge_books(
    found: Shared, profile: Profile, memory: memo.Memory, view: EventView, price: EventPrices, now_ms: int
) -> None:
    """Add the verdict on books that moved."""
    bad = candidate_evaluation.unusable(view, price, profile.max_price_age_ms, now_ms)
    if bad is not None:
        found.verdicts[view.ticker] = rejected(bad)
        return
    verdict = memory.recall(view, price)
    if verdict is None:
        books = candidate_evaluation.depths_of(price)
        verdict = evaluated(profile, view, books, profile.working)
        memory.remember(view, price, books, verdict)
    if verdict.constraint in FIXED_BY_BOOKS:
        found.verdicts[view.ticker] = verdict
    else:
        found.by_money[view.ticker] = view
        found._known[view.ticker, most_cost(profile, profile.working)] = verdict


@lru_cache(maxsize=1_000)
def rejected(miss: Miss) -> Verdict:
    """The verdict of an event that was not judged on books; the same object for the same reason."""
    return missed(Status.REJECTED, miss)


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


def _shut(
    view: EventView, known: dict[tuple[int, ...], Miss | None], hours: exchange_hours.Answer | None
) -> Miss | None:
    """Whether the exchange takes no orders where the event trades, or soon will not, as far as is known: trading reads it again
    where that matters. ``known``: the shards that were checked already."""
    shards = view.shards
    if shards not in known:
        details = (exchange_hours.obstacle_of(hours, shard, is_live=False) for shard in shards)
        found = next((detail for detail in details if detail is not None), None)
        wanted = "open, and no pause soon"
        known[shards] = None if found is None else Miss(Reason.EXCHANGE_SHUT, found.detail, wanted)
    return known[shards]


def evaluated(profile: Profile, view: EventView, books: dict[str, Depth], capital_left: int) -> Verdict:
    """A fault in one event must not keep the others from being evaluated: it is logged and becomes its verdict."""
    try:
        verdict = candidate_evaluation.evaluate_candidate(profile, view, books, clock.now_ms(), capital_left)
        return plausibility.checked(verdict, profile, view, books)
    except Exception as error:
        log.exception("evaluation failed: profile %s, event %s", profile.name, view.ticker)
        fault = Miss(Reason.ERROR, type(error).__name__, "an event that can be evaluated", flip=str(error)[:300])
        return missed(Status.REJECTED, fault)


def stopped_by(profile: Profile, exposure: Exposure) -> Miss | None:
    """What keeps the profile from deciding on any event."""
    if in_blackout(profile.blackout, clock.now()):
        return Miss(Reason.BLACKOUT, f"{clock.now():%H:%M} UTC", "outside the profile's pauses")
    return exposure.too_many(profile)
