"""Capital for one of two events a day: by time, any, or by what their series have earned."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from django.core.management import CommandError, call_command

from backtest.quoting import places
from backtest.quoting.places import DAY_NS
from backtest.quoting.replay import Replayed, Setup
from backtest.quoting.study import SETTLES_NS
from kalbot.common.units import CENT, CONTRACT, Count, Money
from markets.book import Side
from tests.backtest.test_quoting import SAMPLE, TOUCHES, printed

ONE = Setup(Side.NO, sets=Count(CONTRACT))


def _days(folder: Path, number: int) -> list[Replayed]:
    """Each day an event of LOSES, which begins first, and one of EARNS."""
    first = printed(folder, TOUCHES)
    found = []
    for day in range(number):
        for series, cents, later in (("LOSES", -30, 0), ("KXEARNS" if day > 4 else "EARNS", 20, 1)):
            event = msgspec.structs.replace(first.event, series_ticker=series, event_ticker=f"{series}-{day}")
            begins = first.prints[0]._replace(at_ns=first.prints[0].at_ns + day * DAY_NS + later)
            one = replace(first, event=event, closes_ns=first.closes_ns + day * DAY_NS, prints=[begins])
            found.append(Replayed(one, (), Count(0), Count(0), Money(cents * CENT), Money(0)))
    return found


def test_the_series_that_has_earned_gets_the_capital_once_that_is_known(tmp_path: Path) -> None:
    first, average, ranked = places.compare(_days(tmp_path, 10), ONE, 1)
    assert [one.events for one in (first, average, ranked)] == [10, 10, 10]
    assert first.profit == 10 * -30 * CENT
    assert average.profit == 10 * -5 * CENT
    # Nothing is known of the first two days: what began on the second had not settled.
    assert ranked.profit == 10 * 20 * CENT
    days = (DAY_NS - 1_000_000_000 + SETTLES_NS) / DAY_NS
    assert ranked.a_week == pytest.approx(7 * 0.20 / ((1.00 - 0.03) * days), rel=1e-3)


def test_days_on_which_every_event_has_a_place_say_nothing(tmp_path: Path) -> None:
    assert [(one.events, one.profit, one.a_week) for one in places.compare(_days(tmp_path, 3), ONE, 2)] == [
        (0, 0, 0.0)
    ] * 3


def test_the_command_prints_a_line_for_each_rule_and_refuses_no_place() -> None:
    output = StringIO()
    call_command("quoting", tape=SAMPLE, side="no", places=1, assume_fees="quadratic", stdout=output)
    lines = output.getvalue().splitlines()
    assert len(lines) == 4 * 3
    assert "NO through, 1 a day, what has earned most:" in output.getvalue()
    with pytest.raises(CommandError, match="at least 1"):
        call_command("quoting", tape=SAMPLE, side="no", places=0, assume_fees="quadratic")
