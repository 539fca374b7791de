"""Results as a table: one line a profile, the same for the page's CSV and for the API. Exact decimals; shares in per cent."""

from __future__ import annotations

from typing import Final

from kalbot.common.units import format_decimal
from kalbot.console.exports.kept import Line
from trading.accounting.results import Result

COLUMNS: Final = (
    *("profile", "mode", "since", "until", "realised", "unrealised", "not_priced", "fees", "baskets", "won"),
    *("win_rate_percent", "on_capital_percent", "capital_days", "on_capital_days_percent", "drawdown"),
    *("best", "best_position", "worst", "worst_position"),
)


def line(one: Result, unrealised: int | None, unpriced: int) -> Line:
    """The line of a result. ``unrealised``: what selling now would make; ``unpriced``: open positions that it does not hold."""
    best, worst = one.best or (None, None), one.worst or (None, None)
    return {
        "profile": one.profile.name,
        "mode": one.profile.mode,
        "since": one.since.isoformat() if one.since else "",
        "until": one.until.isoformat(),
        "realised": _money(one.realised),
        "unrealised": _money(unrealised),
        "not_priced": str(unpriced),
        "fees": _money(one.fees),
        "baskets": str(one.ended),
        "won": str(one.won),
        "win_rate_percent": _percent(one.win_rate_ppm),
        "on_capital_percent": _percent(one.on_capital_ppm),
        "capital_days": _money(one.capital_days),
        "on_capital_days_percent": _percent(one.on_capital_days_ppm),
        "drawdown": _money(one.drawdown),
        "best": _money(best[1]),
        "best_position": "" if best[0] is None else str(best[0]),
        "worst": _money(worst[1]),
        "worst_position": "" if worst[0] is None else str(worst[0]),
    }


def _money(value: int | None) -> str:
    return "" if value is None else format_decimal(value, 6)


def _percent(ppm: int | None) -> str:
    return "" if ppm is None else format_decimal(ppm, 4)
