"""An execution as a venue reports it, and the error of one that contradicts our rows."""

from __future__ import annotations

from dataclasses import dataclass


class BookingError(Exception):
    """The exchange reports an execution that contradicts our rows. Nothing was booked; reconciliation reports it."""


@dataclass(frozen=True, slots=True)
class FillReport:
    """One execution as a venue reports it. ``price`` of the order's own side, ``fee`` net, both exact; ``at_ms`` Unix ms. ``moves``:
    (market ticker, side that the account moved towards), where the venue says so."""

    trade_id: str
    price: int
    count: int
    fee: int
    is_taker: bool
    at_ms: int
    moves: tuple[str, str] | None = None
