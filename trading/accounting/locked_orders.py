"""Orders of one position, read behind the position's lock in the same message."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from django.db.models import BigIntegerField, Count, OuterRef, QuerySet, Subquery, UUIDField

from kalbot.common.db import pipeline
from kalbot.common.db.prepared import Param, Prepared
from trading.models import Leg, Order, Position

_LOCK: Final = Prepared(
    lambda: Position.objects.select_for_update(of=("self",)).filter(orders=Param("order", UUIDField()))
)


def read(order_ids: Collection[UUID]) -> tuple[Position, list[Any]]:
    """The position, locked until the surrounding transaction ends, and the orders with their legs; ``of_legs`` of each: how many legs the
    position has. Position.DoesNotExist where there is no such order."""
    orders = _orders(len(order_ids))
    keys = {f"order{number}": pk for number, pk in enumerate(order_ids)}
    locked, rows = pipeline.rows_of(_LOCK.statement(order=next(iter(order_ids))), orders.statement(**keys))
    if not locked:
        raise Position.DoesNotExist(order_ids)
    return _LOCK.made(locked)[0], orders.made(rows)


@lru_cache(maxsize=32)
def _orders(count: int) -> Prepared[Order]:
    def build() -> QuerySet[Order]:
        wanted: list[Any] = [Param(f"order{number}", UUIDField()) for number in range(count)]
        legs = Leg.objects.filter(position=OuterRef("position")).order_by().values("position")
        of_legs = Subquery(legs.annotate(n=Count("pk")).values("n"), output_field=BigIntegerField())
        rows = Order.objects.filter(pk__in=wanted).select_related("leg", "leg__market")
        return rows.annotate(of_legs=of_legs)

    return Prepared(build)
