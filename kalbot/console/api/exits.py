"""Exits by the API: of one position, of a part of it, or of several."""

from __future__ import annotations

from decimal import Decimal

from django.http import HttpRequest
from ninja import Router

from kalbot.common.errors import KalbotError
from kalbot.common.units import PPM
from kalbot.console.api import requested, shapes
from kalbot.console.api.shapes import ExitIn
from kalbot.console.api.writes import once
from kalbot.console.dialogs.exits import on_its_way
from trading.closing import exit_many, exits
from trading.closing.exit_counts import Counts
from trading.closing.exit_prices import LegKey
from trading.models import Leg, Position

router = Router()


@router.post(
    "/positions/{int:pk}/exit",
    response={200: shapes.Done, **shapes.PROBLEMS},
    summary="Exit a position, or a part of it",
)
def force_exit(request: HttpRequest, pk: int, body: ExitIn) -> shapes.Done:
    position = requested.row(Position.objects.select_related("profile"), pk)

    def act(actor: str) -> str:
        legs = [leg for leg in position.legs.all() if leg.held]
        counts = counts_of(position, legs, body)
        try:
            made = exits.request_exit(
                position_id=pk,
                actor=actor,
                reason=body.reason,
                least_prices=least_prices(legs, body),
                counts=counts,
                below_floor=body.below_floor,
            )
        except exits.CannotExit as error:
            raise KalbotError(f"{error.code.sentence} {error.detail}".strip()) from error
        if (made.actor, made.reason) != (actor, body.reason):
            return f"The exit that {made.actor} requested before ({made.reason}) is the same; it goes on as it is."
        part = "a part of " if made.counts else ""
        what = f"The exit of {part}position #{pk}"
        return on_its_way(what, position.profile, "nothing is sold below its least price")

    named = ", ".join(f"{count:f} {leg}" for leg, count in body.counts.items()) or f"{body.share:f} %"
    target = f"position #{pk}, {named}, at ${body.least_price} or better"
    return once(request, name="force_exit", permission="console.force_exit", target=target, reason=body.reason, act=act)


@router.post("/exits", response={200: shapes.Done, **shapes.PROBLEMS}, summary="Exit several positions of one mode")
def exit_several(request: HttpRequest, body: shapes.ExitManyIn) -> shapes.Done:
    def act(actor: str) -> str:
        positions = exit_many.chosen(body.positions)
        missing = sorted(set(body.positions) - {one.pk for one in positions})
        why_not = exit_many.why_not_together(positions)
        if missing or why_not:
            named = ", ".join(f"#{pk}" for pk in missing)
            raise KalbotError(why_not or f"Not active: {named}. Nothing was requested.")
        found = exit_many.request(
            positions,
            actor=actor,
            reason=body.reason,
            share_ppm=int(body.share * PPM / 100),
            least_prices={one.pk: _at(one, body.least_price) for one in positions} if body.least_price else None,
            below_floor=body.below_floor,
        )
        if not found.requested:
            raise KalbotError(found.sentence)
        return found.sentence

    ids = ", ".join(f"#{pk}" for pk in sorted(set(body.positions)))
    target = f"{body.share:f} % at ${body.least_price or 'the bids'} of {ids}"
    return once(
        request, name="exit_several", permission="console.force_exit", target=target, reason=body.reason, act=act
    )


def _at(position: Position, price: Decimal) -> dict[LegKey, int]:
    return {(leg.market_id, leg.side): int(price * 10_000) for leg in position.legs.all() if leg.held}


def least_prices(legs: list[Leg], body: ExitIn) -> dict[LegKey, int]:
    """The least price of every held leg, 1/10,000 dollar. KalbotError for a leg that is not held or a price that is none."""
    keys = _keys(legs, body.least_prices)
    found = {}
    for name, key in keys.items():
        price = body.least_prices.get(name, body.least_price)
        if not 0 < price < 1 or price * 10_000 != int(price * 10_000):
            raise KalbotError(f"{price} is not a price between 0 and 1 dollar with at most four places.")
        found[key] = int(price * 10_000)
    return found


def counts_of(position: Position, legs: list[Leg], body: ExitIn) -> Counts | None:
    """What of each leg is sold, 1/100 contract; None for everything. KalbotError for what cannot be read."""
    if not body.counts:
        part = exit_many.part_of(position, int(body.share * PPM / 100))
        if part is not None and not part:
            raise KalbotError("This share is less than one step of the profile's sizes.")
        return part
    if body.share != 100:
        raise KalbotError("Give a share of every leg or counts of single legs, not both.")
    keys = _keys(legs, body.counts)
    if any(not count.is_finite() or count * 100 != int(count * 100) for count in body.counts.values()):
        raise KalbotError("Contracts have at most two decimal places.")
    return {keys[name]: int(count * 100) for name, count in body.counts.items()}


def _keys(legs: list[Leg], named: dict[str, Decimal]) -> dict[str, LegKey]:
    keys = {f"{leg.side} {leg.market_id}": (leg.market_id, leg.side) for leg in legs}
    unknown = sorted(set(named) - set(keys))
    if unknown:
        raise KalbotError(f"Not held: {', '.join(unknown)}.")
    return keys
