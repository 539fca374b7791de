"""What profiles were worth as a table: one line an hour and profile, the same for the page's CSV and for the API. Exact decimals."""

from __future__ import annotations

from typing import Final

from kalbot.common.units import format_decimal
from kalbot.console.exports.kept import Line
from kalbot.console.models import EquitySample

COLUMNS: Final = ("profile", "mode", "at", "capital", "realised", "unrealised", "not_priced", "equity")


def line(one: EquitySample) -> Line:
    """The line of a sample."""
    return {
        "profile": one.profile.name,
        "mode": one.mode,
        "at": one.at.isoformat(),
        "capital": format_decimal(one.capital, 6),
        "realised": format_decimal(one.realised, 6),
        "unrealised": format_decimal(one.unrealised, 6),
        "not_priced": str(one.unpriced),
        "equity": format_decimal(one.equity, 6),
    }
