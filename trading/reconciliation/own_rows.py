"""Our rows behind the orders that the exchange shows."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Final
from uuid import UUID

from django.db.models import CharField, QuerySet, UUIDField

from kalbot.common.db.batches import batched
from kalbot.common.db.prepared import Among, Prepared
from markets.kalshi.schemas.orders import Order as ListedOrder
from strategies.models import Mode
from trading.models import ForeignOrder, Order
from trading.venues import identity


def own_order(shown: identity.Shown | identity.Execution) -> Order | None:
    """Our order behind what the exchange shows. Its own order id is the key; the client id finds one whose answer was lost, if all that its
    row says agrees."""
    orders = _own()
    found = orders.filter(exchange_order_id=shown.order_id).first() if shown.order_id else None
    if found is None and shown.client_order_id:
        with suppress(ValueError):
            found = orders.filter(pk=UUID(shown.client_order_id)).first()
    if found is None or identity.unlike(found, shown):
        return None
    is_by_client = found.exchange_order_id != shown.order_id
    return None if is_by_client and ForeignOrder.objects.filter(exchange_order_id=shown.order_id).exists() else found


def own_orders(listed: Collection[ListedOrder]) -> dict[str, Order]:
    """The same for many, by the exchange's id, as they are now."""
    ours, shown = namesakes(listed), {one.order_id: one for one in listed}
    return {
        order_id: order
        for order_id, order in ours.items()
        if not identity.unlike(order, identity.of_listed(shown[order_id]))
    }


def namesakes(listed: Collection[ListedOrder]) -> dict[str, Order]:
    """Rows of ours by the exchange's id of the listed order that has their own or their client id: that one need not be theirs. Orders of
    one position share it, and so with legs and profiles."""
    found: dict[str, Order] = {}
    by_client: dict[UUID, str] = {}
    for theirs in listed:
        with suppress(ValueError):
            by_client[UUID(theirs.client_order_id)] = theirs.order_id
    for ids in batched([theirs.order_id for theirs in listed if theirs.order_id]):
        found |= {order.exchange_order_id: order for order in _BY_EXCHANGE_ID.rows(ids=ids)}
    for keys in batched([pk for pk, order_id in by_client.items() if order_id not in found]):
        found |= {by_client[order.pk]: order for order in _BY_OWN_ID.rows(keys=keys)}
    return found


def _own() -> QuerySet[Order]:
    return Order.objects.filter(mode=Mode.LIVE).select_related("leg", "leg__market", "profile", "position")


_BY_EXCHANGE_ID: Final = Prepared(lambda: _own().filter(exchange_order_id__in=Among("ids", CharField())))
_BY_OWN_ID: Final = Prepared(lambda: _own().filter(pk__in=Among("keys", UUIDField())))
