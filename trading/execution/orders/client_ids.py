"""Ids of our orders that say what they are for, so that an order whose row is lost can be put back into its basket.

The id is a UUID (version 8, RFC 9562) and the exchange's ``client_order_id``. Its 122 free bits hold, from the highest: a check
(12), the profile (16), the position (32), how many legs were decided (9), the kind (3), sale or purchase (1), the purpose (2), the side
(1) and random bits (46).
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from typing import Final

from strategies.models import Kind
from trading.models import Order

KINDS: Final = (Kind.ALL_YES, Kind.ALL_NO, Kind.COVERAGE, Kind.FAMILY)
"""By their number in an id: new ones are appended, none is moved."""
PURPOSES: Final = (Order.Purpose.ENTRY, Order.Purpose.COMPLETE, Order.Purpose.UNWIND, Order.Purpose.EXIT)
SAME_AS: Final = {Order.Purpose.QUOTE: Order.Purpose.ENTRY}
"""Purposes without a number of their own: a quote that fills is how its basket was begun."""
SIDES: Final = ("yes", "no")
WIDTHS: Final = (12, 16, 32, 9, 3, 1, 2, 1, 46)
BODY: Final = sum(WIDTHS[1:])
"""Bits that the check is of."""
LOW: Final = 62
"""Bits after the variant."""


@dataclass(frozen=True, slots=True)
class ClientId:
    """What an id says. ``legs``: of the decision."""

    profile: int
    position: int
    legs: int
    kind: Kind
    action: Order.Action
    purpose: Order.Purpose
    side: str


def make(meant: ClientId) -> uuid.UUID:
    """A new id that says ``meant``; one that says nothing (version 4) where a number is too large for its bits."""
    fields = (
        meant.profile,
        meant.position,
        meant.legs,
        KINDS.index(meant.kind),
        int(meant.action == Order.Action.SELL),
        PURPOSES.index(SAME_AS.get(meant.purpose, meant.purpose)),
        SIDES.index(meant.side),
    )
    fresh: uuid.UUID = Order._meta.pk.get_default()
    if any(value >= 1 << width for value, width in zip(fields, WIDTHS[1:], strict=False)):
        return fresh
    number = 0
    for value, width in zip((*fields, fresh.int & ((1 << WIDTHS[-1]) - 1)), WIDTHS[1:], strict=True):
        number = number << width | value
    return _shaped(_check(number) << BODY | number)


def read(text: str) -> ClientId | None:
    """What the client id of a listed order says; None when it is none of ours, or says nothing."""
    try:
        found = uuid.UUID(text)
    except ValueError:
        return None
    if found.version != 8 or str(found) != text.lower():
        return None
    number = _free_bits(found)
    if number >> BODY != _check(number & ((1 << BODY) - 1)):
        return None
    values: list[int] = []
    for width in reversed(WIDTHS):
        values.append(number & ((1 << width) - 1))
        number >>= width
    _, side, purpose, sells, kind, legs, position, profile, _ = values
    if kind >= len(KINDS):
        return None
    action = Order.Action.SELL if sells else Order.Action.BUY
    return ClientId(profile, position, legs, KINDS[kind], action, PURPOSES[purpose], SIDES[side])


def _free_bits(one: uuid.UUID) -> int:
    """The 122 bits beside the version and the variant."""
    return (one.int >> 80) << 74 | (one.int >> 64 & 0xFFF) << LOW | one.int & ((1 << LOW) - 1)


def _shaped(number: int) -> uuid.UUID:
    """The UUID of version 8 with these 122 free bits."""
    high, middle, low = number >> 74, number >> LOW & 0xFFF, number & ((1 << LOW) - 1)
    return uuid.UUID(int=high << 80 | 8 << 76 | middle << 64 | 2 << LOW | low)


def _check(number: int) -> int:
    return int.from_bytes(hashlib.blake2b(number.to_bytes(16, "big"), digest_size=2, person=b"kalbot").digest()) >> 4
