"""Every way of counting the money of a position agrees."""

from __future__ import annotations

from trading.accounting import audit, balance_check, collateral
from trading.models import Position


def ties(position: Position) -> None:
    """Ledger, running totals, the position's entries, and what is returned for what it holds."""
    position.refresh_from_db()
    assert balance_check.summary(position.profile)["difference"] == 0
    assert audit.totals(position.profile) == []
    assert audit.positions(position.mode) == []
    assert position.returned == collateral.held_back(position)
