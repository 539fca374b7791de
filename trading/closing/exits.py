"""Exiting a position on request: a person's, triage's or risk's. One path for all of them.

A request is a row, committed before anything happens; the message to a worker only saves time, the sweeper finds the row.
What the executor does with it is ``execution.phases.exit``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db import IntegrityError, transaction

from kalbot.common import events, messages
from kalbot.common.units import dollars
from markets.book import Level
from markets.fees import FeeSchedule
from trading import states
from trading.books import live_books, rest_books
from trading.closing import exit_prices
from trading.closing.exit_prices import LeastPrices, LegKey, Quoted
from trading.denials import DenialCode, Denied, Refusal
from trading.execution.sizing import baskets, walk
from trading.models import TERMINAL, ExitRequest, Leg, Position, PositionStatus

EXITABLE: Final = (PositionStatus.OPEN, PositionStatus.UNWINDING, PositionStatus.EXITING)


class CannotExit(Denied, ValueError):
    """The position cannot be exited; ``refusal`` says why."""


def why_not(position: Position) -> Refusal | None:
    """Why this position cannot be exited now, None when it can. The one rule for requests, dialogs and triage."""
    if position.status in EXITABLE:
        return None
    code = DenialCode.ENDED if position.status in TERMINAL else DenialCode.STILL_BUYING
    return Refusal(code, f"position #{position.pk} is {position.get_status_display()}")


def request_exit(
    *,
    position_id: int,
    actor: str,
    reason: str,
    source: str = "person",
    least_prices: LeastPrices | None = None,
    below_floor: str = "",
    by_rest: bool = False,
) -> ExitRequest:
    """Request the exit of a position. A second request while one is open returns the first.

    ``least_prices``: what a contract of each leg must bring, 1/10,000 dollar. Without them: the bids of now less the tolerance,
    and not less than the guaranteed baskets are sure to pay. ``below_floor``: a person's words for accepting less than that.
    ``by_rest``: a person sells by the books of the REST interface where there is no live one. Raises CannotExit where
    ``why_not`` refuses, for want of a price (NO_LEAST_PRICE) and for too low ones (BELOW_FLOOR).
    """
    if source != "person" and (below_floor or by_rest):
        raise CannotExit(DenialCode.BELOW_FLOOR, "only a person may accept that")
    with transaction.atomic():
        position = Position.objects.select_for_update().get(pk=position_id)
        first = ExitRequest.objects.filter(position=position, status=ExitRequest.Status.OPEN).first()
        if first is not None:
            return first
        refusal = why_not(position)
        if refusal is not None:
            raise CannotExit(refusal.code, refusal.detail)
        accepted = _accepted(position, least_prices, bool(below_floor.strip()), by_rest)
        try:
            with transaction.atomic():
                request = ExitRequest.objects.create(
                    position=position,
                    source=source,
                    actor=actor,
                    reason=reason[:300],
                    least_prices=exit_prices.stored(accepted),
                    below_floor=below_floor.strip()[:300],
                    by_rest=by_rest,
                )
        except IntegrityError:
            return ExitRequest.objects.get(position=position, status=ExitRequest.Status.OPEN)
        states.note(
            position,
            f"exit requested: {reason}",
            actor=actor,
            data={"source": source, "request": request.pk, "least_prices": request.least_prices},
        )
        messages.send_on_commit(messages.EXIT_POSITION, position.pk)
        events.emit(
            events.Event.EXIT,
            position=position.pk,
            profile=position.profile_id,
            mode=position.mode,
            source=source,
            actor=actor,
            reason=reason,
        )
    return request


def _accepted(
    position: Position, least_prices: LeastPrices | None, may_be_below: bool, by_rest: bool
) -> dict[LegKey, int]:
    """The least price of every leg that holds something."""
    found = preview(position, by_rest=by_rest)
    legs, fees = found.quoted(), found.schedule
    if least_prices is None:
        if fees is None or found.unpriced is not None:
            raise CannotExit(DenialCode.NO_LEAST_PRICE, "" if found.unpriced is None else found.unpriced.sentence)
        prices = exit_prices.within_tolerance(legs)
        if not may_be_below and exit_prices.worth(legs, prices, fees) < found.floor:
            prices = exit_prices.for_total(legs, found.floor, fees)
        return prices
    missing = [f"{side} {ticker}" for ticker, side in (leg.key for leg in legs) if (ticker, side) not in least_prices]
    if missing or any(not 0 < price < 10_000 for price in least_prices.values()):
        raise CannotExit(DenialCode.NO_LEAST_PRICE, f"each leg needs a price between 0 and 1 dollar {missing or ''}")
    prices = {leg.key: least_prices[leg.key] for leg in legs}
    if found.floor and not may_be_below:
        if fees is None:
            raise CannotExit(DenialCode.BELOW_FLOOR, "the fees are not known, so what the sale brings is not either")
        brings = exit_prices.worth(legs, prices, fees)
        if brings < found.floor:
            raise CannotExit(
                DenialCode.BELOW_FLOOR, f"{dollars(brings)} at the least prices, {dollars(found.floor)} if held"
            )
    return prices


def advised_prices(position: Position, hold: int, gain: int) -> dict[LegKey, int]:
    """Least prices of a sale that was advised because it brings ``gain`` more than ``hold``: at least half of the gain is kept.

    Micro-dollars. Raises CannotExit without live prices.
    """
    found = preview(position)
    if found.schedule is None or found.unpriced is not None:
        raise CannotExit(DenialCode.NO_LEAST_PRICE, "" if found.unpriced is None else found.unpriced.sentence)
    total = max(hold + gain // 2, found.floor)
    return exit_prices.for_total(found.quoted(), total, found.schedule)


def guaranteed_floor(position: Position, legs: list[Leg]) -> int:
    """What the whole baskets among ``legs`` are sure to pay, micro-dollars; 0 where nothing is guaranteed."""
    if not position.guaranteed:
        return 0
    return baskets.pays(position.decision, baskets.matched(legs, position.target_count))


@dataclass(frozen=True, slots=True)
class LegPreview:
    """What selling one leg now would bring, by the books of this moment. Money in micro-dollars."""

    leg: Leg
    bids: tuple[Level, ...]
    expected_proceeds: int
    fees: int
    unsellable: int
    worst_price: int


@dataclass(frozen=True, slots=True)
class ExitPreview:
    """What an exit would bring. ``proceeds`` after fees; ``loss`` = cost - proceeds of what can be sold and of what cannot.

    ``floor``: what the whole baskets are sure to pay if held, 0 where nothing is guaranteed. ``unpriced``: why the numbers cannot
    be trusted now (no live book), None when they can. ``schedule``: the fees, None where they are not known.
    """

    legs: tuple[LegPreview, ...]
    proceeds: int
    fees: int
    cost: int
    unsellable: int
    unpriced: DenialCode | None
    floor: int = 0
    schedule: FeeSchedule | None = None

    @property
    def profit(self) -> int:
        """Proceeds less cost; negative for a loss."""
        return self.proceeds - self.cost

    @property
    def loss(self) -> int:
        """Cost less proceeds; negative for a gain."""
        return self.cost - self.proceeds

    def quoted(self) -> list[Quoted]:
        """The legs with the last price that selling them would touch; a leg without bids at what it cost."""
        return [
            Quoted(
                (one.leg.market_id, one.leg.side),
                one.leg.held,
                one.worst_price or min(exit_prices.HIGHEST, max(1, one.leg.open_cost // one.leg.held)),
            )
            for one in self.legs
        ]


def preview(position: Position, *, by_rest: bool = False) -> ExitPreview:
    """What an exit at the bids of now would bring, each level one fill. Reads only. ``by_rest``: by the books of the REST
    interface, for a person who has no live ones."""
    legs = [leg for leg in position.legs.select_related("market") if leg.held]
    floor = guaranteed_floor(position, list(position.legs.all()))
    try:
        if by_rest:
            live = rest_books.read(position.event, [leg.market_id for leg in legs])
        else:
            live = live_books.read(position.event)
    except Denied as error:
        unknown = tuple(LegPreview(leg, (), 0, 0, leg.held, 0) for leg in legs)
        return ExitPreview(unknown, 0, 0, position.cost, sum(leg.held for leg in legs), error.code, floor)
    found = []
    for leg in legs:
        bids = live.bids(leg.market_id, leg.side)
        sold = walk.sell(bids, leg.held, 1, live.fees)
        found.append(LegPreview(leg, bids, sold.proceeds, sold.fees, leg.held - sold.count, sold.worst_price))
    unpriced = live.unusable([leg.market_id for leg in legs], position.profile.max_price_age_ms)
    return ExitPreview(
        legs=tuple(found),
        proceeds=sum(one.expected_proceeds for one in found),
        fees=sum(one.fees for one in found),
        cost=position.cost,
        unsellable=sum(one.unsellable for one in found),
        unpriced=unpriced,
        floor=floor,
        schedule=live.fees,
    )
