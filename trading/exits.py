"""Exiting a position on request: a person's, triage's or risk's. One path for all of them.

A request is a row, committed before anything happens; the message to a worker only saves time, the sweeper finds the row.
What the executor does with it is ``execution.phases.exit``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db import IntegrityError, transaction

from kalbot.common import messages
from markets.book import Level
from trading import live_books, states
from trading.denials import DenialCode, Denied, Refusal
from trading.execution.sizing import walk
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
    *, position_id: int, actor: str, reason: str, source: str = "person", min_price: int = 1
) -> ExitRequest:
    """Request the exit of a position. A second request while one is open returns the first.

    ``min_price``: never sell a contract below this, 1/10,000 dollar. Raises CannotExit where ``why_not`` refuses.
    """
    with transaction.atomic():
        position = Position.objects.select_for_update().get(pk=position_id)
        first = ExitRequest.objects.filter(position=position, status=ExitRequest.Status.OPEN).first()
        if first is not None:
            return first
        refusal = why_not(position)
        if refusal is not None:
            raise CannotExit(refusal.code, refusal.detail)
        try:
            with transaction.atomic():
                request = ExitRequest.objects.create(
                    position=position, source=source, actor=actor, reason=reason[:300], min_price=min_price
                )
        except IntegrityError:
            return ExitRequest.objects.get(position=position, status=ExitRequest.Status.OPEN)
        states.note(position, f"exit requested: {reason}", actor=actor, data={"source": source, "request": request.pk})
        messages.send_on_commit(messages.EXIT_POSITION, position.pk)
    return request


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

    ``unpriced``: why the numbers cannot be trusted now (no live book), None when they can.
    """

    legs: tuple[LegPreview, ...]
    proceeds: int
    fees: int
    cost: int
    unsellable: int
    unpriced: DenialCode | None

    @property
    def profit(self) -> int:
        """Proceeds less cost; negative for a loss."""
        return self.proceeds - self.cost

    @property
    def loss(self) -> int:
        """Cost less proceeds; negative for a gain."""
        return self.cost - self.proceeds


def preview(position: Position) -> ExitPreview:
    """What an exit at the bids of now would bring, each level one fill. Reads only."""
    legs = [leg for leg in position.legs.select_related("market") if leg.held]
    try:
        live = live_books.read(position.event)
    except Denied as error:
        return ExitPreview((), 0, 0, position.cost, sum(leg.held for leg in legs), error.code)
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
    )
