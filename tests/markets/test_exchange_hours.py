"""When a basket may begin: announced windows, weekly sessions in New York time, status by shard, and what is not known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from kalbot.common import clock
from markets import exchange_hours
from markets.exchange_hours import Answer, Closed
from markets.kalshi.errors import SchemaError
from markets.kalshi.schemas.boundary import parse
from markets.kalshi.schemas.exchange import SCHEDULE, ExchangeStatus, IndexStatus, Schedule, build_schedule
from markets.kalshi.trading_hours import shut_at

WEEK = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
ALL_DAY = [{"open_time": "00:00", "close_time": "00:00"}]
OPEN = ExchangeStatus(
    exchange_active=True, trading_active=True, transfers_active=True, estimated_resume=None, indexes=()
)


def schedule(
    windows: list[tuple[str, str]] | None = None,
    *,
    until: str = "2027-12-31T00:00:00Z",
    days: dict[str, Any] | None = None,
) -> Schedule:
    hours = {day: (days or {}).get(day, ALL_DAY) for day in WEEK}
    body = {
        "schedule": {
            "standard_hours": [{"start_time": "2026-01-01T00:00:00Z", "end_time": until, **hours}],
            "maintenance_windows": [{"start_datetime": a, "end_datetime": b} for a, b in windows or []],
        }
    }
    return parse(SCHEDULE, build_schedule, msgspec.json.encode(body))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def shut(plan: Schedule, begin: str, minutes: int = 5) -> str | None:
    found = shut_at(plan, at(begin), at(begin) + timedelta(minutes=minutes))
    return None if found is None else f"{found.astimezone(UTC):%m-%dT%H:%M}"


def test_an_announced_window_shuts_and_so_do_the_minutes_before_it() -> None:
    plan = schedule([("2026-11-26T03:00:00-05:00", "2026-11-26T05:00:00-05:00")])
    assert shut(plan, "2026-11-26T07:54") is None
    assert shut(plan, "2026-11-26T07:55") == "11-26T08:00"
    assert shut(plan, "2026-11-26T09:59") == "11-26T09:59"
    assert shut(plan, "2026-11-26T10:00") is None


def test_sessions_follow_new_york_through_the_change_of_clocks_and_past_midnight() -> None:
    thursday = [{"open_time": "00:00", "close_time": "03:00"}, {"open_time": "05:00", "close_time": "24:00"}]
    plan = schedule(days={"thursday": thursday})
    assert shut(plan, "2026-10-29T06:54") is None
    assert shut(plan, "2026-10-29T06:56") == "10-29T07:00"  # summer
    assert shut(plan, "2026-11-05T07:30") is None
    assert shut(plan, "2026-11-05T08:30") == "11-05T08:30"  # winter
    assert shut(plan, "2026-11-06T04:58") is None  # Thursday's session ends where Friday's begins
    late = [{"open_time": "08:00", "close_time": "03:00"}]
    nights = schedule(days=dict.fromkeys(WEEK, late))
    assert shut(nights, "2026-11-10T07:30") is None  # 02:30 in New York, of the day before
    assert shut(nights, "2026-11-10T07:56") == "11-10T08:00"
    assert shut(schedule(days={"sunday": []}), "2026-11-15T12:00") == "11-15T12:00"


def test_hours_that_are_not_understood_are_refused() -> None:
    for bad in ("9 am", "25:00", "24:30", ""):
        with pytest.raises(SchemaError):
            schedule(days={"monday": [{"open_time": bad, "close_time": "10:00"}]})
    with pytest.raises(ValueError, match="no week in force"):
        shut(schedule(until="2026-06-01T00:00:00Z"), "2026-11-10T12:00")


def _obstacle(answer: Answer | None, *, is_live: bool = True, shard: int = 0) -> Closed | None:
    exchange_hours.forget()
    if answer is not None:
        exchange_hours.keep(answer)
    found = exchange_hours.obstacle(shard, is_live=is_live)
    return None if found is None else found.why


def test_what_is_known_decides_and_live_needs_to_know(redis_db: object) -> None:
    now, plan = clock.now_ms(), schedule()
    assert _obstacle(Answer(now, OPEN, plan)) is None
    assert _obstacle(None) is Closed.UNKNOWN
    assert _obstacle(None, is_live=False) is None
    assert _obstacle(Answer(now - exchange_hours.FRESH_MS - 1, OPEN, plan)) is Closed.UNKNOWN
    assert _obstacle(Answer(now + 60_000, OPEN, plan)) is Closed.UNKNOWN  # from the future: a clock was set
    assert _obstacle(Answer(now, unreadable="x"), is_live=False) is Closed.UNKNOWN
    assert _obstacle(Answer(now, OPEN, schedule(until="2026-01-02T00:00:00Z"))) is Closed.UNKNOWN
    soon = clock.now() + timedelta(seconds=60)
    window = (soon.isoformat(), (soon + timedelta(hours=1)).isoformat())
    assert _obstacle(Answer(now, OPEN, schedule([window])), is_live=False) is Closed.PAUSE_SOON
    begun = ((soon - timedelta(hours=1)).isoformat(), window[1])
    assert _obstacle(Answer(now, OPEN, schedule([begun]))) is Closed.PAUSED


def test_a_refusal_for_a_pause_forgets_what_did_not_know_of_it_alone(redis_db: object) -> None:
    """Orders that had left together were refused one after another: the later ones took the word away that it was shut."""
    now, plan = clock.now_ms(), schedule()
    exchange_hours.keep(Answer(now, OPEN, plan))
    exchange_hours.refused(0, clock.from_ms(now))
    assert exchange_hours.last() is None
    exchange_hours.keep(Answer(now, OPEN, plan))
    exchange_hours.refused(0, None)
    assert exchange_hours.last() is None, "of an order that nobody knows when it was sent"
    shut = Answer(now, msgspec.structs.replace(OPEN, trading_active=False), plan)
    exchange_hours.keep(shut)
    exchange_hours.refused(0, clock.now())
    assert exchange_hours.last() == shut


def test_an_answer_that_was_read_after_the_order_was_sent_outlives_its_refusal(redis_db: object) -> None:
    """It is the market that is paused, and other events go on."""
    found = Answer(clock.now_ms(), OPEN, schedule())
    exchange_hours.keep(found)
    exchange_hours.refused(0, clock.from_ms(found.checked_ms - 1))
    assert exchange_hours.last() == found
    exchange_hours.keep(Answer(found.checked_ms, unreadable="html"))
    exchange_hours.refused(0, clock.from_ms(found.checked_ms - 1))
    assert exchange_hours.last() is None


def test_a_shut_shard_shuts_only_itself(redis_db: object) -> None:
    shards = tuple(
        IndexStatus(exchange_index=n, exchange_active=True, trading_active=n == 0, intra_exchange_transfers_active=True)
        for n in (0, 1)
    )
    status = msgspec.structs.replace(OPEN, indexes=shards)
    answer = Answer(clock.now_ms(), status, schedule())
    assert [_obstacle(answer, shard=n) for n in (0, 1, 2)] == [None, Closed.PAUSED, Closed.PAUSED]


@pytest.mark.parametrize(
    ("hours", "begin", "found"),
    [
        (("00:00", "01:30"), "2026-11-01T05:20", "11-01T05:30"),  # 01:30 comes twice: it closes the first time
        (("01:30", "00:00"), "2026-11-01T05:40", "11-01T05:40"),  # and opens the second
        (("00:00", "02:30"), "2026-03-08T06:20", "03-08T06:30"),  # 02:30 never comes
    ],
)
def test_a_session_that_ends_in_an_hour_of_changing_clocks_is_the_shorter_one(
    hours: tuple[str, str], begin: str, found: str
) -> None:
    plan = schedule(days={"sunday": [{"open_time": hours[0], "close_time": hours[1]}]})
    assert shut(plan, begin, 15) == found
