"""The answer to a write that the exchange accepted: one that cannot be read, or is about another order, leaves the outcome unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from kalbot.common.units import Count

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


def check_same(what: str, wanted: str, answered: str) -> None:
    """Raises SchemaError for the answer to a read that is about another one: its rules, fees or result would be taken for those of
    ``wanted``."""
    if answered != wanted:
        raise SchemaError(f"{what} {wanted} was answered as {answered}")


def check_order(order_id: str, answered: str) -> None:
    """Raises OutcomeUnknown unless the answer to a write is about this order; a batch leaves the id of a refused one empty."""
    if answered not in ("", order_id):
        raise OutcomeUnknown(f"order {order_id} was answered as {answered}")


def check_echo(order: CreateOrder, result: CreateResult) -> None:
    """Raises OutcomeUnknown unless the answer is about this order and within its size."""
    if result.client_order_id not in (None, "", order.client_order_id):
        raise OutcomeUnknown(f"order {order.client_order_id} was answered as {result.client_order_id}")
    if result.fill_count + result.remaining_count > order.count:
        raise OutcomeUnknown(f"order {order.client_order_id} of {order.count} was answered with more contracts")


def check_size(order_id: str, most: Count, contracts: Count | None) -> None:
    """Raises OutcomeUnknown where a changed order is answered with more ``contracts`` than it was to have. None: it does not say."""
    if contracts is not None and contracts > most:
        raise OutcomeUnknown(f"order {order_id} was to have at most {most} and was answered with {contracts}")
