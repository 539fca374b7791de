"""How the funds of an account change with each fill, sale and settlement in one group, and what must be there beforehand.

``plain`` is the cash of an account without collateral return: what was paid and received. Available funds are plain cash and what is
returned; so they tie at every step, and a later difference to the exchange's balance is one of the model.

Counts in 1/100 contract, Money in 1/1,000,000 dollar.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kalbot.common.units import DOLLAR_PRICE, Money
from markets.book import Side
from markets.terms.states import Holding
from strategies.collateral.groups import Choices, Group, GroupError, Known, returned

Key = tuple[str, Side]


@dataclass(frozen=True, slots=True)
class Purchase:
    """One purchase that may fill in part or whole. ``cost``: price and fees of all of it at most, Money."""

    ticker: str
    side: Side
    count: int
    cost: Money


@dataclass(slots=True)
class Funds:
    """An account's cash in one group."""

    group: Group
    choices: Choices
    plain: int = 0
    held: dict[Key, int] = field(default_factory=dict)
    results: dict[str, bool] = field(default_factory=dict)

    @property
    def holdings(self) -> list[Holding]:
        """What is held of markets that have not settled."""
        return [(ticker, side, count) for (ticker, side), count in self.held.items()]

    @property
    def returned(self) -> Money:
        """What has been returned and will be missing at settlement."""
        return returned(self.holdings, self.group, self.choices, Known(self.results))

    @property
    def available(self) -> Money:
        """What can be spent."""
        return Money(self.plain + self.returned)

    def bought(self, ticker: str, side: Side, count: int, cost: int) -> Money:
        """A fill of ``count`` for ``cost`` (price and fees). Returns the change of available funds: above zero where it frees more than
        it costs."""
        return self._moved((ticker, side), count, -cost)

    def sold(self, ticker: str, side: Side, count: int, proceeds: int) -> Money:
        """A sale of ``count`` for ``proceeds`` (less fees). The change may be below zero: a sale may *need* funds. GroupError where less
        is held."""
        if self.held.get((ticker, side), 0) < count:
            raise GroupError(f"{ticker} {side}: {count} sold, {self.held.get((ticker, side), 0)} held")
        return self._moved((ticker, side), -count, proceeds)

    def settled(self, ticker: str, yes: bool) -> Money:
        """One market is determined: its payoff comes, less what was returned for it. The change of available funds."""
        if ticker in self.results:
            raise GroupError(f"{ticker} is settled already")
        before = self.available
        for side in Side:
            count = self.held.pop((ticker, side), 0)
            if yes is (side is Side.YES):
                self.plain += count * DOLLAR_PRICE
        self.results[ticker] = yes
        return Money(self.available - before)

    def _moved(self, key: Key, count: int, cash: int) -> Money:
        if key[0] not in self.group.markets or count == 0:
            raise GroupError(f"{key[0]} is not of the group, or nothing is moved")
        if key[0] in self.results:
            raise GroupError(f"{key[0]} is settled already")
        before = self.available
        self.held[key] = self.held.get(key, 0) + count
        self.plain += cash
        return Money(self.available - before)


def needed(holdings: Sequence[Holding], purchases: Sequence[Purchase], group: Group, choices: Choices) -> Money:
    """The funds that must be available so that these purchases can fill in any order and any part.

    At a part x of them the funds have changed by R(held + x) - R(held) - cost(x), and R is a least over outcomes; so the worst part is
    found outcome by outcome: every purchase that costs more than it pays there fills whole, the others not at all. An upper
    bound by less than a cent where returns are rounded. Without a group it is the sum of all costs. What the exchange sets aside for
    an order before it fills is not known; this counts fills alone.
    """
    outcomes = list(group.outcomes())
    total = sum(purchase.cost for purchase in purchases)
    if not outcomes:
        return Money(total)
    held = [holding for holding in holdings if holding[1] is Side.NO or choices.yes_counts]
    worst = max(
        sum(max(0, purchase.cost - _returned_for(outcome, purchase, choices)) for purchase in purchases)
        - sum(_pays(outcome, ticker, side, count) for ticker, side, count in held)
        for outcome in outcomes
    )
    slack = 9_999 if choices.whole_cents else 0
    return Money(max(0, worst + returned(holdings, group, choices) + slack))


def held_for(holdings: Sequence[Holding], purchases: Sequence[Purchase], group: Group, choices: Choices) -> Money:
    """The funds to hold so that ``purchases`` can fill in any order and part, and all that is then held can be sold again for what the
    purchases cost. Never more than their costs."""
    to_buy = needed(holdings, purchases, group, choices)
    whole = Funds(group, choices, held={(ticker, side): count for ticker, side, count in holdings})
    began = whole.available
    for one in purchases:
        whole.bought(one.ticker, one.side, one.count, one.cost)
    locked = began - whole.available
    _, to_sell = exit_order(whole, {(one.ticker, one.side): one.cost for one in purchases})
    return Money(min(sum(one.cost for one in purchases), max(to_buy, locked + to_sell)))


def _returned_for(outcome: frozenset[str], purchase: Purchase, choices: Choices) -> int:
    if purchase.side is Side.YES and not choices.yes_counts:
        return 0
    return _pays(outcome, purchase.ticker, purchase.side, purchase.count)


def _pays(outcome: frozenset[str], ticker: str, side: Side, count: int) -> int:
    return count * DOLLAR_PRICE if (ticker in outcome) is (side is Side.YES) else 0


@dataclass(frozen=True, slots=True)
class Sale:
    """One step of an exit. ``change``: of available funds; below zero it needs that much."""

    ticker: str
    side: Side
    count: int
    change: Money


def exit_order(funds: Funds, proceeds: Mapping[Key, int], slices: int = 1) -> tuple[list[Sale], Money]:
    """An order in which everything held can be sold, and the funds that it needs at its worst moment (0: none). ``proceeds``: what
    selling all of a leg brings after fees, at the prices of now. ``slices``: each leg is sold in so many parts of about one size, in
    rounds; the more, the less is missing between the first sale and the last.

    Within a round the sale that frees most, or needs least, goes first.
    """
    left = Funds(funds.group, funds.choices, funds.plain, dict(funds.held), dict(funds.results))
    steps: list[Sale] = []
    spent, worst = 0, 0
    for round_number in range(slices):
        parts = {(t, side): _part(count, slices - round_number) for t, side, count in left.holdings}
        while parts:
            tried = [_tried(left, key, count, _share(funds, proceeds, key, count)) for key, count in parts.items()]
            best = max(tried, key=lambda sale: sale.change)
            key = (best.ticker, best.side)
            del parts[key]
            if not best.count:
                continue
            spent += left.sold(best.ticker, best.side, best.count, _share(funds, proceeds, key, best.count))
            steps.append(best)
            worst = min(worst, spent)
    return steps, Money(-worst)


def _part(count: int, rounds_left: int) -> int:
    return -(-count // rounds_left)


def _share(funds: Funds, proceeds: Mapping[Key, int], key: Key, count: int) -> int:
    """What ``count`` of a leg brings of what all of it does, rounded down."""
    return proceeds.get(key, 0) * count // funds.held[key]


def _tried(left: Funds, key: Key, count: int, brings: int) -> Sale:
    if not count:
        return Sale(*key, 0, Money(0))
    tried = Funds(left.group, left.choices, left.plain, dict(left.held), dict(left.results))
    return Sale(*key, count, tried.sold(*key, count, brings))
