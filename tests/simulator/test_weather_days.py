"""Days that turn: what is to come changes, what was measured does not."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime

from simulator.weather.days import HOUR_MS, Day, WeatherDays

ISSUER = "NYC"


def event(high: int, close_ms: int) -> dict[str, object]:
    close = datetime.fromtimestamp(close_ms / 1000, UTC).isoformat()
    market = {"ticker": f"T{high}", "strike_type": "between", "floor_strike": high, "cap_strike": high + 1}
    return {
        "event_ticker": "KXHIGHNY-26JUL20",
        "series_ticker": "KXHIGHNY",
        "markets": [market | {"close_time": close}],
    }


def test_a_day_that_turns_keeps_what_was_measured_and_heads_for_its_new_high() -> None:
    days = WeatherDays("http://nowhere", 1200.0, 1)
    close = time.time_ns() // 1_000_000 + round(14 * HOUR_MS / 1200)  # ten in the morning
    days._update(event(80, close), (ISSUER, date(2026, 7, 20)), "T80")
    [day] = days.of(ISSUER)
    morning = [day.at(day.starts + hour * HOUR_MS) for hour in range(10)]
    assert round(day.at(day.starts + 15 * HOUR_MS)) == 80
    days._update(event(90, close), (ISSUER, date(2026, 7, 20)), "T90")
    assert [day.at(day.starts + hour * HOUR_MS) for hour in range(10)] == morning
    assert round(day.at(day.starts + 15 * HOUR_MS)) == 90
    assert day.whole()[1] == 90


def test_a_day_that_does_not_turn_has_no_earlier_bounds() -> None:
    days = WeatherDays("http://nowhere", 1200.0, 1)
    close = time.time_ns() // 1_000_000 + 60_000
    for _ in range(3):
        days._update(event(80, close), (ISSUER, date(2026, 7, 20)), "T80")
    [day] = days.of(ISSUER)
    assert isinstance(day, Day)
    assert day.before == []
