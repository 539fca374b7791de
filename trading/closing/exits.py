"""Exiting a position on request: a person's, triage's or risk's. One path for all of them.

A request is a row, committed before anything happens; the message to a worker only saves time, the sweeper finds the row.
What the executor does with it is ``execution.phases.exit``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.db import IntegrityError, transaction

from kalbot.common import clock, events, messages
from kalbot.common.units import dollars
from markets.terms.grades import Grade
from trading import selectors, states
from trading.closing import exit_counts, exit_preview, exit_prices, waiting
from trading.closing.exit_counts import Counts
from trading.closing.exit_prices import LeastPrices, LegKey
from trading.denials import DenialCode, Denied, Refusal
from trading.models import TERMINAL, ExitRequest, Leg, Position, PositionStatus

EXITABLE: Final = (PositionStatus.QUOTING, PositionStatus.OPEN, PositionStatus.UNWINDING, PositionStatus.EXITING)


QUOTED: Final = (PositionStatus.PENDING, PositionStatus.QUOTING, PositionStatus.COMPLETING)
"""While one of these, a quoted basket may have an order in the book, now or later."""


class CannotExit(Denied, ValueError):
    """The position cannot be exited; ``refusal`` says why."""


def why_not(position: Position) -> Refusal | None:
    """Why this position cannot be exited now, None when it can. The one rule for requests, dialogs and triage."""
    if position.status in EXITABLE:
        return None
    code = DenialCode.ENDED if position.status in TERMINAL else DenialCode.STILL_BUYING
    return Refusal(code, f"position #{position.pk} is {position.get_status_display()}")


def open_request(position: Position) -> ExitRequest | None:
    """The exit that is under way, if any."""
    return ExitRequest.objects.filter(position=position, status=ExitRequest.Status.OPEN).first()


def request_exit(
    *,
    position_id: int,
    actor: str,
    reason: str,
    source: str = "person",
    least_prices: LeastPrices | None = None,
    counts: Counts | None = None,
    below_floor: str = "",
    by_rest: bool = False,
) -> ExitRequest:
    """Request the exit of a position. A second request while one is open returns the first; a person's with other prices, counts or
    words, or by other books, takes its place, and so does newer advice where an advised exit waits for bids.

    ``least_prices``: what a contract of each leg must bring, 1/10,000 dollar. Without them: the bids of now less the tolerance,
    and not less than the guaranteed baskets are sure to pay. ``counts``: of each leg, 1/100 contract, where not everything is to be
    sold; a person's alone. ``below_floor``: a person's words for accepting less than that, or other than equal shares of the legs.
    ``by_rest``: a person sells by the books of the REST interface where there is no live one. Raises CannotExit where ``why_not``
    refuses, for want of a price (NO_LEAST_PRICE), for too low ones (BELOW_FLOOR), and for counts that cannot be sold (NOT_IN_PARTS,
    EXIT_COUNTS, UNBALANCED).
    """
    if source != "person" and (below_floor or by_rest or counts is not None):
        raise CannotExit(DenialCode.BELOW_FLOOR, "only a person may accept that")
    wanted = _Wanted(source, actor, reason[:300], below_floor.strip()[:300], by_rest)
    with transaction.atomic():
        position = Position.objects.select_for_update().get(pk=position_id)
        first = open_request(position)
        refusal = None if first is not None else why_not(position)
        if first is None and position.status == PositionStatus.QUOTING and source != "person":
            refusal = Refusal(DenialCode.STILL_BUYING, f"position #{position.pk} is {position.get_status_display()}")
        if refusal is not None:
            raise CannotExit(refusal.code, refusal.detail)
        legs = list(position.legs.all())
        part = _partial(position, legs, counts, bool(wanted.below_floor))
        may_replace = source == "person" or (first and waiting.may_renew(position, first, source, actor))
        if first is not None and not (may_replace and _differs(first, legs, least_prices, part, wanted)):
            return first
        accepted = _accepted(position, least_prices, part, bool(wanted.below_floor), by_rest)
        if first is not None:
            _replace(position, first, wanted)
        try:
            with transaction.atomic():
                request = _create(position, wanted, accepted, exit_counts.stored(legs, part or {}))
        except IntegrityError:
            return ExitRequest.objects.get(position=position, status=ExitRequest.Status.OPEN)
    return request


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Whose request it is, and what is accepted in words."""

    source: str
    actor: str
    reason: str
    below_floor: str
    by_rest: bool


def _create(position: Position, wanted: _Wanted, accepted: LeastPrices, counts: list[dict[str, Any]]) -> ExitRequest:
    request = ExitRequest.objects.create(
        position=position,
        source=wanted.source,
        actor=wanted.actor,
        reason=wanted.reason,
        least_prices=exit_prices.stored(accepted),
        counts=counts,
        below_floor=wanted.below_floor,
        by_rest=wanted.by_rest,
    )
    states.note(
        position,
        f"{'partial exit' if counts else 'exit'} requested: {wanted.reason}",
        actor=wanted.actor,
        data={
            "source": wanted.source,
            "request": request.pk,
            "least_prices": request.least_prices,
            "counts": request.counts,
        },
    )
    messages.send_on_commit(messages.EXIT_POSITION, position.pk)
    events.emit(
        events.Event.EXIT,
        position=position.pk,
        profile=position.profile_id,
        mode=position.mode,
        source=wanted.source,
        actor=wanted.actor,
        reason=wanted.reason,
    )
    return request


def withdraw_quote(position_id: int, *, actor: str, reason: str) -> None:
    """Let nothing of a quoted basket rest any more: what it holds stays, by the profile's rule for orphans. Raises CannotExit(NOT_QUOTED),
    also where it is withdrawn already."""
    with transaction.atomic():
        position = Position.objects.select_for_update().get(pk=position_id)
        if position.status not in QUOTED or not position.quoting or position.quote_withdrawn:
            raise CannotExit(DenialCode.NOT_QUOTED, f"position #{position.pk} is {position.get_status_display()}")
        Position.objects.filter(pk=position.pk).update(quote_withdrawn=f"{actor}: {reason}"[:300])
        states.note(position, f"quotes withdrawn: {reason}"[:300], actor=actor)
        messages.send_on_commit(messages.EXIT_POSITION, position.pk)


def withdraw(position_id: int, *, actor: str, reason: str) -> bool:
    """Take the open exit request back: what is not sold yet stays. False when there is none."""
    with transaction.atomic():
        position = Position.objects.select_for_update().get(pk=position_id)
        first = open_request(position)
        if first is None:
            return False
        cancel(first, f"withdrawn by {actor}: {reason}")
        states.note(position, f"exit withdrawn: {reason}", actor=actor, data={"request": first.pk})
        messages.send_on_commit(messages.EXIT_POSITION, position.pk)
    return True


def _replace(position: Position, first: ExitRequest, wanted: _Wanted) -> None:
    cancel(first, f"replaced by {wanted.actor}: {wanted.reason}")
    states.note(position, f"exit request of {first.actor} replaced", actor=wanted.actor, data={"request": first.pk})


def cancel(request: ExitRequest, result: str) -> None:
    """End a request that is not carried out, with the reason."""
    ExitRequest.objects.filter(pk=request.pk, status=ExitRequest.Status.OPEN).update(
        status=ExitRequest.Status.CANCELLED, result=result[:300], ended_at=clock.now()
    )


def _differs(
    first: ExitRequest, legs: list[Leg], least_prices: LeastPrices | None, part: Counts | None, wanted: _Wanted
) -> bool:
    """Whether a request differs from the one under way: in what it sells, in its prices, or in what it accepts."""
    if bool(first.counts) != (part is not None) or (part is not None and _counts_differ(first, legs, part)):
        return True
    accepts = (bool(wanted.below_floor), wanted.by_rest)
    accepted = (bool(first.below_floor), first.by_rest)
    if least_prices is None:  # the same request once more, unless it accepts what nobody did before
        return any(now and not before for now, before in zip(accepts, accepted, strict=True))
    prices = exit_prices.loaded(first.least_prices)
    return accepts != accepted or any(prices.get(key) != price for key, price in least_prices.items())


def _counts_differ(first: ExitRequest, legs: list[Leg], part: Counts) -> bool:
    requested = {leg: part[exit_counts.key(leg)] for leg in legs if part.get(exit_counts.key(leg))}
    return dict(exit_counts.to_sell(first.counts, legs)) != requested


def _partial(position: Position, legs: list[Leg], counts: Counts | None, in_words: bool) -> Counts | None:
    """The counts of a partial exit; None where everything is sold. CannotExit for counts that cannot be sold."""
    if counts is None:
        return None
    held = {exit_counts.key(leg): leg.held for leg in legs if leg.held}
    if any(count < 0 or count > held.get(name, 0) for name, count in counts.items()) or not any(counts.values()):
        raise CannotExit(DenialCode.EXIT_COUNTS, f"position #{position.pk} holds {_words(held)}")
    if {name: count for name, count in counts.items() if count} == held:
        return None
    if position.status not in (PositionStatus.OPEN, PositionStatus.EXITING):
        raise CannotExit(DenialCode.NOT_IN_PARTS, f"position #{position.pk} is {position.get_status_display()}")
    if position.guaranteed and not in_words:
        naked = exit_counts.leaves_naked(legs, position.target_count, counts)
        sold = {leg.pk: counts.get(exit_counts.key(leg), 0) for leg in legs}
        left = selectors.held_of(position, selectors.less(legs, sold))
        if naked or left.grade is Grade.CONDITIONAL:
            raise CannotExit(DenialCode.UNBALANCED, ", ".join(map(str, naked or (one.leg for one in left.legs))))
    return counts


def _words(counts: Counts) -> str:
    return ", ".join(f"{count / 100:g} {side} {ticker}" for (ticker, side), count in counts.items()) or "nothing"


def _accepted(
    position: Position, least_prices: LeastPrices | None, counts: Counts | None, may_be_below: bool, by_rest: bool
) -> dict[LegKey, int]:
    """The least price of every leg that is to be sold, those included that may fill before their quotes are withdrawn."""
    later = exit_preview.of_later_fills(position) if counts is None else {}
    named = {key: price for key, price in (least_prices or {}).items() if key in later}
    return later | named | _of_held(position, least_prices, counts, may_be_below, by_rest)


def _of_held(
    position: Position, least_prices: LeastPrices | None, counts: Counts | None, may_be_below: bool, by_rest: bool
) -> dict[LegKey, int]:
    """The least price of every leg that is held."""
    found = exit_preview.preview(position, counts, by_rest=by_rest)
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
    found = exit_preview.preview(position)
    if found.schedule is None or found.unpriced is not None:
        raise CannotExit(DenialCode.NO_LEAST_PRICE, "" if found.unpriced is None else found.unpriced.sentence)
    total = max(hold + gain // 2, found.floor)
    return exit_prices.for_total(found.quoted(), total, found.schedule)
