"""Orders of one position, read behind the position's lock in the same message."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import BigIntegerField, Count, Exists, Model, OuterRef, QuerySet, Subquery, UUIDField

from kalbot.common.db import direct, pipeline
from kalbot.common.db.prepared import Param, Prepared
from trading.models import Leg, Order, Position, ProfileBalance

_LOCK: Final = Prepared(
    lambda: (
        Position.objects.select_for_update(of=("self",))
        .filter(orders=Param("order", UUIDField()))
        .annotate(has_totals=Exists(ProfileBalance.objects.filter(profile=OuterRef("profile"))))
    )
)


class Locked(NamedTuple):
    """``position``: locked until the surrounding transaction ends; its ``has_totals``: whether its profile has its row of them. ``of_legs``
    of each of its ``orders``, which have their legs: how many the position has. ``keys``: those that were wanted for new rows."""

    position: Any
    orders: list[Any]
    keys: direct.Keys


def read(order_ids: Collection[UUID], wanted: Mapping[type[Model], int]) -> Locked:
    """Orders of one position. ``wanted``: how many rows of which models will be stored. Position.DoesNotExist where there is no such
    order."""
    orders = _orders(len(order_ids))
    keys = {f"order{number}": pk for number, pk in enumerate(order_ids)}
    locked, rows, *drawn = pipeline.rows_of(
        _LOCK.statement(order=next(iter(order_ids))), orders.statement(**keys), *direct.drawing(wanted)
    )
    if not locked:
        raise Position.DoesNotExist(order_ids)
    return Locked(_LOCK.made(locked)[0], orders.made(rows), direct.drawn(wanted, drawn[0] if drawn else ()))


@lru_cache(maxsize=32)
def _orders(count: int) -> Prepared[Order]:
    def build() -> QuerySet[Order]:
        wanted: list[Any] = [Param(f"order{number}", UUIDField()) for number in range(count)]
        legs = Leg.objects.filter(position=OuterRef("position")).order_by().values("position")
        of_legs = Subquery(legs.annotate(n=Count("pk")).values("n"), output_field=BigIntegerField())
        rows = Order.objects.filter(pk__in=wanted).select_related("leg", "leg__market")
        return rows.annotate(of_legs=of_legs)

    return Prepared(build)
