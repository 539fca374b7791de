"""What the exchange says of itself: open or shut, its next pause, our clock, and what our key may still do."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from kalbot.common import cache, clock, messages
from kalbot.console import tasks
from kalbot.console.ops import schedules
from kalbot.console.ops.health import exchange_status, status
from markets import exchange_hours
from markets.kalshi.schemas.exchange import IndexStatus
from simulator.control.exchange_actions import set_status
from tests.markets.test_exchange_hours import OPEN, schedule
from tests.trading.twin import Twin

DAY_MS = 86_400_000


def part(found: exchange_status.Outside | None, name: str = "exchange") -> status.Part:
    """The part as it stands after these answers."""
    if found is not None:
        exchange_status.keep(found)
    return {one.name: one for one in status.check()}[name]


def test_an_open_exchange_names_its_next_pause(db: None, redis_db: object) -> None:
    found = exchange_status.ask(Twin().client())
    assert (found.active, found.trading, found.error) == (True, True, "")
    shown = part(found)
    assert shown.sentence.startswith(("Open. Next pause in", "In its maintenance window, Thu"))
    assert "Eastern" in shown.sentence


def test_a_pause_of_trading_is_bad_and_says_when_it_ends(db: None, redis_db: object) -> None:
    now = clock.now_ms()
    shown = part(exchange_status.Outside(now, trading=False, resume_ms=now + 3_600_000))
    assert (shown.state, shown.sentence[:40]) == ("bad", "Trading is paused. It expects to resume ")
    assert part(exchange_status.Outside(now, active=False)).sentence == "It is shut."


def test_an_announced_window_comes_before_the_usual_one(db: None, redis_db: object) -> None:
    now = clock.now_ms()
    assert part(exchange_status.Outside(now, windows=((now - 1_000, now + 60_000),))).state == "warn"
    soon = part(exchange_status.Outside(now, windows=((now + 60_500, now + 120_000),)))
    assert soon.metrics["pause_in_s"] == pytest.approx(60, abs=5)


def test_the_usual_pause_is_thursday_at_three_eastern_in_winter_and_summer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_status, "USUAL_DAY", 3)
    for text, start in (
        ("2026-11-25T12:00:00+00:00", "2026-11-26T08:00:00+00:00"),
        ("2026-07-16T08:59:00+00:00", "2026-07-16T07:00:00+00:00"),  # it is on
        ("2026-07-16T09:00:00+00:00", "2026-07-23T07:00:00+00:00"),  # it has just ended
    ):
        began, ended = exchange_status.usual_pause(datetime.fromisoformat(text))
        assert began == datetime.fromisoformat(start)
        assert ended - began == timedelta(hours=2)


@pytest.mark.parametrize(
    ("days", "state", "words"),
    [(90, "ok", "ends in"), (3, "warn", "ends in"), (-1, "bad", "ended")],
)
def test_the_end_of_the_keys_attestation_is_shown_in_time(
    days: int, state: str, words: str, db: None, redis_db: object, settings: Any
) -> None:
    settings.KALSHI_KEY_ID, settings.KALSHI_PRIVATE_KEY_PATH = "key-id-nobody-should-see", "/nowhere/key.pem"
    now = clock.now_ms()
    shown = part(exchange_status.Outside(now, key_listed=True, region_expires_ms=now + days * DAY_MS), "key")
    assert shown.state == state
    assert words in shown.sentence
    assert "nobody-should-see" not in shown.sentence


def test_the_listing_of_keys_is_fetched_with_a_key(db: None, redis_db: object, settings: Any) -> None:
    settings.KALSHI_KEY_ID, settings.KALSHI_PRIVATE_KEY_PATH = "no-such-key", "/nowhere/key.pem"
    found = exchange_status.ask(Twin().client(), "no-such-key")
    assert found.key_listed is False
    assert part(found, "key").sentence == "The exchange does not list our key."


def test_an_exchange_that_cannot_be_reached_is_bad_and_breaks_no_task(
    db: None, redis_db: object, settings: Any
) -> None:
    settings.KALSHI_REST_URL, settings.KALSHI_WS_URL = (
        "http://127.0.0.1:9/trade-api/v2",
        "ws://127.0.0.1:9/trade-api/ws/v2",
    )
    settings.KALSHI_KEY_ID = ""
    assert tasks.ask_exchange()
    shown = part(None)
    assert shown.state == "bad"
    assert shown.sentence.startswith("The last request failed:")


def test_the_clock_skew_is_shown_without_a_stream(db: None, redis_db: object) -> None:
    assert (
        part(exchange_status.Outside(clock.now_ms(), skew_ms=2_400), "clock").sentence
        == "2400 ms ahead of the exchange."
    )


@pytest.mark.parametrize("pause", ["trading_paused", "exchange_paused"])
def test_the_end_of_a_pause_is_seen_within_seconds(
    pause: str, db: None, redis_db: object, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pause of five seconds cost a minute of trading: nobody read it again before, for nothing began meanwhile."""
    settings.KALSHI_KEY_ID = ""
    twin, clients = Twin(), 0

    def client(**options: Any) -> Any:
        nonlocal clients
        clients += 1
        return twin.client()

    def shut() -> tuple[Any, str]:
        found = exchange_hours.obstacle(0, is_live=True)
        return found and found.why, part(None).state

    monkeypatch.setattr("markets.connect.client", client)
    assert tasks.ask_while_shut(), "what is not known at all is read"
    assert shut() == (None, "ok")
    assert not tasks.ask_while_shut(), "while it is open a minute is soon enough"
    set_status(twin.exchange, {pause: True})
    exchange_hours.forget()  # as an order does that is refused for a pause
    assert tasks.ask_while_shut()
    assert shut() == (exchange_hours.Closed.PAUSED, "bad")
    set_status(twin.exchange, {pause: False})
    assert tasks.ask_while_shut()
    assert (shut(), clients) == ((None, "ok"), 3)
    assert not tasks.ask_while_shut()
    assert clients == 3, "nor is anything requested"
    planned = next(entry for entry in schedules.PLAN if entry.task == messages.ASK_WHILE_SHUT)
    assert planned.seconds * 1_000 <= exchange_hours.SHUT_FRESH_MS


def test_what_is_shut_or_cannot_be_understood_is_read_again(redis_db: object) -> None:
    now, plan = clock.now_ms(), schedule()
    shard = IndexStatus(
        exchange_index=2, exchange_active=True, trading_active=False, intra_exchange_transfers_active=True
    )
    for answer, must_read in (
        (exchange_hours.Answer(now, OPEN, plan), False),
        (exchange_hours.Answer(now, msgspec.structs.replace(OPEN, indexes=(shard,)), plan), True),
        (exchange_hours.Answer(now, msgspec.structs.replace(OPEN, trading_active=False), plan), True),
        (exchange_hours.Answer(now, unreadable="half a page"), True),
        (exchange_hours.Answer(now - exchange_hours.FRESH_MS - 1, OPEN, plan), True),
    ):
        exchange_hours.keep(answer)
        assert exchange_hours.must_read() is must_read


def test_two_workers_do_not_ask_at_once(db: None, redis_db: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("markets.connect.client", lambda **options: pytest.fail("a second request beside the first"))
    with cache.lock("ask exchange", 60):
        assert not tasks.ask_while_shut()
