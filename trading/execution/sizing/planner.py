"""How a basket is bought: order of legs, counts, limits, and whether leaving it half-way can be afforded. Pure.

Legs are bought one after the other, the thinnest first: the leg most likely to disappoint is tried while nothing is
held, and a leg that fills less than wanted only makes the basket smaller. After each leg but the last the basket is
half-filled; the loss of selling everything bought so far at the present bids, fees included, must stay within the
profile's leg-risk budget at every such step. Contracts that the bids cannot take count as a total loss.

Or all legs are sent in one request. Then any of them may fill and any may not, so that the budget must carry the most
expensive of all half-filled baskets; and the bucket must hold the tokens of every purchase and of the unwind at once.

Money micro-dollars, prices 1/10,000 dollar, counts 1/100 contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Final

from kalbot.common.units import Money, dollars
from markets.fees import FeeSchedule
from trading.denials import DenialCode, Refusal
from trading.execution.sizing import walk
from trading.execution.sizing.walk import Levels

CREATE_TOKENS: Final = 10
CANCEL_TOKENS: Final = 2
GROUP_TOKENS: Final = 10
"""Of making or resetting an order group."""
LONGEST_SEND_SECONDS: Final = 2
PLANNED_SHARE: Final = (3, 5)
"""Share of the leg-risk budget that a plan may use: the rest is for the books to move in before the unwind is done."""


@dataclass(frozen=True, slots=True)
class PlanLeg:
    """One leg as the planner sees it: buy ``count`` of ``side`` at ``limit`` or better. ``seen``: the version of its book."""

    ticker: str
    side: str
    count: int
    limit: int
    asks: Levels
    bids: Levels
    fees: FeeSchedule
    seen: str = ""

    @property
    def available(self) -> int:
        """How much can be bought at the limit or better, 1/100 contract."""
        return sum(size for price, size in self.asks if price <= self.limit)


@dataclass(frozen=True, slots=True)
class WriteBudget:
    """The account's write bucket: tokens it holds, tokens a second, tokens now. The defaults are the Basic tier's."""

    capacity: int = 100
    refill: int = 100
    available: int = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """Legs in buying order. ``unwind_losses[i]``: loss of selling all after leg i; ``worst_unwind``: of the most
    expensive half-filled basket that this way of sending can leave; ``tokens`` to buy, ``tokens_kept`` for the unwind; ``cost`` by
    the books, ``worst_cost`` at the limits: what is reserved. ``together``: all legs in one request."""

    legs: tuple[PlanLeg, ...]
    count: int
    cost: Money
    worst_cost: Money
    unwind_losses: tuple[int, ...]
    worst_unwind: int
    tokens: int
    tokens_kept: int
    together: bool = False


def plan(
    legs: Sequence[PlanLeg], count: int, leg_risk_budget: int, budget: WriteBudget, *, together: bool = False
) -> Plan | Refusal:
    """Plan ``count`` baskets. Refusal codes: DEPTH, LEG_RISK, RATE_LIMIT."""
    tokens, kept = CREATE_TOKENS * len(legs), tokens_kept(len(legs))
    refusal = too_many_tokens(tokens, kept, budget, together)
    if refusal is not None:
        return refusal
    ordered = tuple(sorted(legs, key=lambda leg: (leg.available / leg.count, leg.ticker, leg.side)))
    for leg in ordered:
        if leg.available < leg.count:
            return Refusal(
                DenialCode.DEPTH,
                f"{leg.side} {leg.ticker}: {leg.available / 100:g} of {leg.count / 100:g} at ${leg.limit / 10_000:.4f} or better",
            )
    each = leg_losses(ordered)
    worst = worst_unwind(each, together)
    if worst > usable(leg_risk_budget):
        return Refusal(
            DenialCode.LEG_RISK,
            f"selling a half-filled basket would lose {dollars(worst)}, {dollars(usable(leg_risk_budget))} may be planned for",
        )
    bought = [walk.buy(leg.asks, leg.count, leg.limit, leg.fees) for leg in ordered]
    return Plan(
        legs=ordered,
        count=count,
        cost=Money(sum(b.cost for b in bought)),
        worst_cost=Money(sum(walk.most_for(leg.limit, leg.count, leg.fees) for leg in ordered)),
        unwind_losses=tuple(accumulate(each)),
        worst_unwind=worst,
        tokens=tokens,
        tokens_kept=kept,
        together=together,
    )


def usable(leg_risk_budget: int) -> int:
    """The part of the leg-risk budget that a plan may use, micro-dollars."""
    return leg_risk_budget * PLANNED_SHARE[0] // PLANNED_SHARE[1]


def tokens_kept(legs: int) -> int:
    """Write tokens for the unwind of a basket of ``legs``: one sale for each leg but the one that is missing."""
    return CREATE_TOKENS * max(0, legs - 1)


def most_quotes(kept: int, capacity: int) -> int:
    """How many quotes of one order group the bucket can send at once while ``kept`` tokens stay; at least one is wanted."""
    return max(1, (capacity - kept - GROUP_TOKENS) // CREATE_TOKENS)


@lru_cache(maxsize=64)
def most_legs(budget: WriteBudget) -> int:
    """The largest basket whose purchases, one by one, and unwind fit a write bucket; 0 if no two legs do."""
    legs = 1
    while too_many_tokens(CREATE_TOKENS * (legs + 1), tokens_kept(legs + 1), budget, together=False) is None:
        legs += 1
    return legs if legs > 1 else 0


def too_many_tokens(tokens: int, kept: int, budget: WriteBudget, together: bool) -> Refusal | None:
    """One by one, the last leg is sent while the tokens to unwind all before it are kept; in one request, all are."""
    seconds = max(0, tokens + kept - budget.available) / budget.refill
    at_once = tokens + kept if together else tokens
    if at_once > budget.capacity:
        text = f"{tokens} tokens and {kept} kept for an unwind do not fit the bucket of {budget.capacity}"
        return Refusal(DenialCode.RATE_LIMIT, text + (" at once" if together else ""))
    if seconds > LONGEST_SEND_SECONDS:
        return Refusal(
            DenialCode.RATE_LIMIT, f"{tokens} tokens, and {kept} kept for an unwind, would take {seconds:.1f} s"
        )
    return None


def leg_losses(legs: Sequence[PlanLeg]) -> tuple[int, ...]:
    """Of each leg: what buying it and selling it again at once would lose (negative: gain)."""
    return tuple(
        walk.buy(leg.asks, leg.count, leg.limit, leg.fees).cost - walk.sell(leg.bids, leg.count, 1, leg.fees).proceeds
        for leg in legs
    )


def worst_unwind(each: Sequence[int], together: bool) -> int:
    """The most that selling a half-filled basket may lose. ``each``: losses of the legs in buying order.

    One by one, every prefix but the whole may be left. In one request every subset but the whole may: the worst holds
    all legs that lose, without the cheapest of them when none gains. A leg that fills in part loses no more than its share:
    its cost rises with the count and its proceeds fall off.
    """
    if not together:
        return max(accumulate(each[:-1]), default=0)
    losing = [loss for loss in each if loss > 0]
    return sum(losing) - (min(losing) if len(losing) == len(each) and losing else 0)


def scaled(legs: Sequence[PlanLeg], count: int, whole: int) -> list[PlanLeg]:
    """The same legs for ``count`` instead of ``whole`` baskets; counts rounded up so that no leg falls short."""
    return [
        PlanLeg(leg.ticker, leg.side, -(-leg.count * count // whole), leg.limit, leg.asks, leg.bids, leg.fees)
        for leg in legs
    ]


def largest(
    legs: Sequence[PlanLeg],
    count: int,
    step: int,
    leg_risk_budget: int,
    budget: WriteBudget,
    *,
    together: bool = False,
) -> Plan | Refusal:
    """The plan of ``count`` baskets, or of the most whole ``step``s below it that depth and the leg-risk budget carry."""
    full = plan(legs, count, leg_risk_budget, budget, together=together)
    if isinstance(full, Plan) or full.code is DenialCode.RATE_LIMIT:
        return full
    low, high, best = 1, (count - 1) // step, None
    while low <= high:
        middle = (low + high) // 2
        smaller = scaled(legs, middle * step, count)
        tried = plan(smaller, middle * step, leg_risk_budget, budget, together=together)
        if isinstance(tried, Plan):
            best, low = tried, middle + 1
        else:
            high = middle - 1
    return best if best is not None else full
