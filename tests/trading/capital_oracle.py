"""What capital must be after anything that happens to it, counted another way: every dollar by what moved it, collateral by going through
the outcomes, cost by the contracts. Imports nothing that trades. Money in micro-dollars, counts 1/100 contract, prices 1/10,000 dollar.
"""

from __future__ import annotations

from dataclasses import dataclass, field

DOLLAR_A_CONTRACT = 10_000
"""Micro-dollars that a hundredth of a contract pays."""


@dataclass
class Leg:
    """NO of one market. ``cost`` and ``fees`` of what is held: a sale takes its share, rounded down, and the last contract the rest."""

    held: int = 0
    cost: int = 0
    fees: int = 0
    paid: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)
    """Of each settlement by its version: count, cost, fees in it, payout."""

    def take(self, count: int) -> tuple[int, int]:
        """(cost, fees in it) of ``count`` that leave."""
        cost, fees = self.cost * count // self.held, self.fees * count // self.held
        self.held, self.cost, self.fees = self.held - count, self.cost - cost, self.fees - fees
        return cost, fees


@dataclass
class Basket:
    """NO legs in one exclusive event, by market. ``collateral``: whether the account returns it for this one. ``made``: profit so far."""

    collateral: bool
    legs: dict[str, Leg] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)
    made: int = 0

    @property
    def cost(self) -> int:
        return sum(leg.cost for leg in self.legs.values())

    @property
    def returned(self) -> int:
        """What is sure whatever happens: the least over every outcome that is left, one market wins or none does. Nothing once a market
        of it was settled at a price."""
        if not self.collateral or not set(self.results.values()) <= {"yes", "no"}:
            return 0
        won = [ticker for ticker, result in self.results.items() if result == "yes"]
        left = [ticker for ticker in self.legs if ticker not in self.results]
        outcomes = won or [*left, ""]
        return min(
            sum(self.legs[ticker].held * DOLLAR_A_CONTRACT for ticker in left if ticker != winner)
            for winner in outcomes
        )


@dataclass
class Account:
    """One profile. ``given``: by a person; ``lent``: to others less what it owes; ``flows``: what trading made of it in cash, without what
    is returned."""

    given: int = 0
    lent: int = 0
    swept: int = 0
    flows: int = 0
    baskets: list[Basket] = field(default_factory=list)

    @property
    def cash(self) -> int:
        """Free and set aside."""
        return self.given - self.lent - self.swept + self.flows + sum(basket.returned for basket in self.baskets)

    @property
    def made(self) -> int:
        return sum(basket.made for basket in self.baskets)

    @property
    def equity(self) -> int:
        """Its own: what it would have if everything held were worth what it cost."""
        return self.given - self.swept + self.made

    def buy(self, basket: Basket, ticker: str, count: int, price: int, fee: int) -> None:
        leg = basket.legs.setdefault(ticker, Leg())
        leg.held, leg.cost, leg.fees = leg.held + count, leg.cost + price * count + fee, leg.fees + fee
        self.flows -= price * count + fee

    def sell(self, basket: Basket, ticker: str, count: int, proceeds: int) -> None:
        """``proceeds``: fees are out of them."""
        cost, _ = basket.legs[ticker].take(count)
        basket.made += proceeds - cost
        self.flows += proceeds

    def settle(self, basket: Basket, ticker: str, result: str, value: int, version: int, count: int = 0) -> None:
        """Of what is held ``count`` (0: all). ``value``: what a hundredth of a contract of YES pays, micro-dollars; a payout at a price is
        cut to whole cents."""
        leg = basket.legs[ticker]
        count = count or leg.held
        paid = (DOLLAR_A_CONTRACT - value) * count
        paid = paid if result in ("yes", "no") else paid // 10_000 * 10_000
        cost, fees = leg.take(count)
        leg.paid[version] = (count, cost, fees, paid)
        basket.results[ticker] = result
        basket.made += paid - cost
        self.flows += paid

    def take_back(self, basket: Basket, ticker: str, version: int) -> int:
        """A settlement is no more what it was: as if it had not been. How many contracts are held again."""
        leg = basket.legs[ticker]
        count, cost, fees, paid = leg.paid.pop(version)
        leg.held, leg.cost, leg.fees = leg.held + count, leg.cost + cost, leg.fees + fees
        basket.made -= paid - cost
        self.flows -= paid
        return count
