"""The answer to a write that the exchange accepted: one that cannot be read leaves the outcome unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..errors import OutcomeUnknown, SchemaError
from ..order_entry import CreateOrder
from ..schemas.answers import CreateResult

T = TypeVar("T")


def after_write(read: Callable[[], T]) -> T:
    """What ``read`` makes of the answer to an accepted write. Raises OutcomeUnknown instead of SchemaError."""
    try:
        return read()
    except SchemaError as error:
        raise OutcomeUnknown(f"accepted, but the answer cannot be read: {error}") from error


def check_echo(order: CreateOrder, result: CreateResult) -> None:
    """Raises OutcomeUnknown unless the answer is about this order and within its size."""
    if result.client_order_id not in (None, "", order.client_order_id):
        raise OutcomeUnknown(f"order {order.client_order_id} was answered as {result.client_order_id}")
    if result.fill_count + result.remaining_count > order.count:
        raise OutcomeUnknown(f"order {order.client_order_id} of {order.count} was answered with more contracts")
