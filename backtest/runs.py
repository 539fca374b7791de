"""Keeping runs."""

from __future__ import annotations

from typing import Any, Final

from backtest.models import BacktestRun
from backtest.report.results import Result
from kalbot.common import clock
from markets.tape.coverage import Coverage

LEFT_OUT: Final = ("timeline", "options")
"""Large, or kept in a column of its own."""


def save(result: Result, covered: Coverage, *, name: str = "", actor: str = "kalbot") -> BacktestRun:
    """Keep a run for the console."""
    return BacktestRun.objects.create(
        name=name[:120],
        tape=str(result.options["tape"])[:200],
        profile=result.profile[:48],
        actor=actor,
        **columns(result, covered),
    )


def columns(result: Result, covered: Coverage) -> dict[str, Any]:
    """What came of a run, as the columns of its row."""
    return {
        "first_at": clock.from_ms(result.first_ms),
        "last_at": clock.from_ms(result.last_ms),
        "baskets": result.baskets,
        "profit": result.profit,
        "spent": result.spent,
        "fees": result.fees,
        "drawdown": result.drawdown,
        "unjudged": result.unjudged,
        "events": result.events,
        "options": result.options,
        "coverage": covered.document(),
        "result": {key: value for key, value in result.document().items() if key not in LEFT_OUT},
        "fingerprint": result.fingerprint,
    }
