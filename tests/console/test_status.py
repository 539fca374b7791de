"""Is it working: each part says so in a sentence, and the machine-readable answer holds no secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.db import OperationalError, connections
from django.test import Client

from kalbot.common import cache, clock, life
from kalbot.common.errors import SettingError
from kalbot.common.messages import QUEUES
from kalbot.console.models import LogRecord
from kalbot.console.ops import checks
from kalbot.console.ops.health import heartbeats, pulse, status
from kalbot.console.pages.home import obstacles
from kalbot.console.tasks import heartbeat
from markets import connect, identity

pytestmark = pytest.mark.alike

PRODUCTION = "https://external-api.kalshi.com/trade-api/v2"


def by_name() -> dict[str, status.Part]:
    """Every part by its name."""
    return {part.name: part for part in status.check()}


def test_a_desk_without_workers_says_so(sample: dict[str, Any]) -> None:
    parts = by_name()
    assert parts["workers"].state == parts["beat"].state == "bad"
    assert "No sign of life on exits, execution, trading, strategy, scan, triage, default." in parts["workers"].sentence
    assert parts["stream"].state == "ok"
    assert parts["scan"].sentence.startswith("12,552 events and 103,449 markets in 9.2 s")


def test_heartbeats_make_workers_and_beat_alive(sample: dict[str, Any]) -> None:
    for queue in QUEUES:
        heartbeat.apply(args=(queue,))
    heartbeats.show_life("beat")
    parts = by_name()
    assert (parts["workers"].state, parts["beat"].state) == ("ok", "ok")


def test_without_a_worker_for_exits_the_status_says_what_waits_for_what(sample: dict[str, Any]) -> None:
    for queue in set(QUEUES) - {"exits"}:
        heartbeat.apply(args=(queue,))
    heartbeats.show_life("beat")
    part = by_name()["workers"]
    assert part.state == "bad"
    assert part.sentence == (
        "No sign of life on exits. Exits and unwinds wait behind purchases for the sweep: start a worker with -Q exits."
    )


def test_an_old_heartbeat_is_no_life(sample: dict[str, Any]) -> None:
    for queue in QUEUES:
        heartbeat.apply(args=(queue,))
    old = json.dumps({"at_ms": 1_000, "host": "h", "pid": 1})
    cache.prices().set(f"{heartbeats.KEY}trading", old)
    assert by_name()["workers"].sentence == "No sign of life on trading."


def test_a_host_whose_clock_is_wrong_is_alive_all_the_same(sample: dict[str, Any]) -> None:
    for skewed, reader in ((Off(), clock.SystemClock()), (clock.SystemClock(), Off())):
        with clock.use(skewed):
            for queue in QUEUES:
                heartbeat.apply(args=(queue,))
            heartbeats._beat_published("console.tasks.notify", "default")
        with clock.use(reader):
            assert by_name()["workers"].state == "ok"
            age = clock.now() - heartbeats.last_sent()["console.tasks.notify", "default"]
            assert abs(age.total_seconds()) < 30


def test_what_another_version_or_nobody_wrote_is_no_sign_and_hides_no_other(sample: dict[str, Any]) -> None:
    heartbeats.show_node("general@right", ["default"])
    for number, junk in enumerate((b"", b"{}", b"[]", b"nul", b"\xff", b'{"at_ms": "x"}', b'{"at_ms": 1, "names": 3}')):
        cache.prices().hset(heartbeats.NODES, f"odd@{number}", junk)
        cache.prices().set(f"{heartbeats.KEY}trading", junk)
        assert by_name()["workers"].sentence.startswith("No sign of life on")
    cache.prices().hset(heartbeats.NODES, b"\xff\xfe", b'{"at_ms": 1}')
    cache.prices().hset(heartbeats.SENT, "odd|default", b"soon")
    cache.prices().hset(heartbeats.SENT, b"\xff", 10**30)
    assert heartbeats.last_sent() == {}
    assert [node.node for node in heartbeats.nodes()] == ["general@right"]
    assert by_name()["host clocks"].sentence.startswith("All within")


def test_two_beats_are_said(sample: dict[str, Any]) -> None:
    heartbeats.show_life("beat")
    heartbeats.show_node("beat@one:1", ["beat"])
    assert by_name()["beat"].state == "ok"
    heartbeats.show_node("beat@two:7", ["beat"])
    part = by_name()["beat"]
    assert part.state == "bad"
    assert "2 beats run (beat@one:1, beat@two:7)" in part.sentence
    heartbeats.forget_node("beat@one:1")
    assert by_name()["beat"].state == "ok"


class Off(clock.SystemClock):
    """A host whose clock is ten minutes ahead."""

    def time_ns(self) -> int:
        return super().time_ns() + 600_000_000_000


def test_a_worker_whose_clock_is_wrong_is_named(sample: dict[str, Any]) -> None:
    heartbeats.show_node("general@right", ["default"])
    assert by_name()["host clocks"].state == "ok"
    with clock.use(Off()):
        heartbeats.show_node("general@wrong", ["default"])
    part = by_name()["host clocks"]
    assert part.state == "bad"
    assert part.sentence.startswith("general@wrong is ")
    assert "ahead" in part.sentence
    assert "right" not in part.sentence


def test_a_worker_that_fell_silent_is_named(sample: dict[str, Any]) -> None:
    for queue in QUEUES:
        heartbeat.apply(args=(queue,))
    heartbeats.show_node("trading@one", ["trading"])
    assert by_name()["workers"].state == "ok"
    at = clock.now_ms() - 60_000
    cache.prices().hset(heartbeats.NODES, "trading@gone", json.dumps({"at_ms": at, "skew_ms": 0, "names": ["trading"]}))
    part = by_name()["workers"]
    assert part.state == "warn"
    assert "trading@gone" in part.sentence


def shown(who: str, age_ms: int) -> None:
    """A queue on which a message ran, or beat, which sent one, so long ago."""
    cache.prices().set(f"{heartbeats.KEY}{who}", json.dumps({"at_ms": clock.now_ms() - age_ms}))


def test_workers_are_not_blamed_for_a_beat_or_broker_that_sends_nothing(sample: dict[str, Any], settings: Any) -> None:
    for queue in QUEUES:
        shown(queue, 60_000)
    shown("beat", 60_000)
    heartbeats.show_node("all@one", [*QUEUES])
    parts = by_name()
    assert (parts["workers"].state, parts["beat"].state) == ("ok", "bad")
    assert [one.title for one in obstacles.silent()] == ["No sign of life of beat"]
    heartbeats.show_node("beat@one:1", ["beat"])
    settings.BROKER_URL = "redis://127.0.0.1:1/0"
    parts = by_name()
    assert parts["queues"].sentence == "The broker does not answer."
    assert parts["beat"].sentence.endswith("; beat@one:1 lives and cannot send, or has nothing to send.")
    assert (parts["workers"].state, parts["redis"].state) == ("ok", "ok")


def test_workers_that_live_and_run_nothing_are_named(sample: dict[str, Any]) -> None:
    for queue in QUEUES:
        shown(queue, 60_000 if queue == "trading" else 0)
    shown("beat", 0)
    heartbeats.show_node("all@one", [*QUEUES])
    part = by_name()["workers"]
    assert (part.state, part.sentence[:48]) == ("bad", "Workers live on trading and run nothing: whateve")
    assert [one.title for one in obstacles.silent()] == []
    shown("strategy", 60_000)
    assert [one.title for one in obstacles.silent()] == ["No sign of life of strategy"]
    heartbeats.forget_node("all@one")
    assert by_name()["workers"].sentence == "No sign of life on trading, strategy."


def test_a_database_that_is_away_is_named_alone(sample: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: object, **options: object) -> None:
        raise OperationalError("the server closed the connection")

    with monkeypatch.context() as patch:
        patch.setattr(connections["default"], "cursor", away)
        parts = by_name()
    unknown = {"schedules", "scan", "tape", "trading", "speed", "notifications"}
    assert {name for name, part in parts.items() if not part.is_known} == unknown
    assert {parts[name].sentence for name in unknown} == {"Not known while the database does not answer."}
    assert (parts["database"].state, parts["redis"].state, parts["stream"].state) == ("bad", "ok", "ok")


def test_a_main_loop_that_does_not_get_on_shows_no_life_unless_it_waits_for_redis(
    redis_db: Any, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KALBOT_STATE", str(tmp_path))
    one = pulse.Pulse("all@one", ["trading"])

    def signs() -> tuple[int, int]:
        """How many signs one beat of the pulse leaves, as files and in Redis."""
        life.forget()
        redis_db.delete(heartbeats.NODES)
        one.beat()
        return len(life.signs()), int(redis_db.hlen(heartbeats.NODES))

    assert signs() == (1, 1)
    one._progress -= pulse.STUCK_SECONDS + 1
    assert signs() == (0, 0)
    there, settings.BROKER_URL = settings.BROKER_URL, "redis://127.0.0.1:1/0"
    assert signs() == (1, 0)
    settings.BROKER_URL = there
    one.progress()
    assert signs() == (1, 1)
    settings.PRICES_URL = "redis://127.0.0.1:1/0"
    assert signs() == (1, 0)


def test_deep_queues_warn(sample: dict[str, Any]) -> None:
    cache.broker().rpush(cache.key("strategy"), *range(30))
    part = by_name()["queues"]
    assert part.state == "warn"
    assert "strategy 30" in part.sentence


def test_redis_away_is_bad_and_hides_nothing_else(sample: dict[str, Any], settings: Any) -> None:
    settings.PRICES_URL = settings.BROKER_URL = "redis://127.0.0.1:1/0"
    parts = by_name()
    assert parts["database"].state == "ok"
    assert {parts[name].state for name in ("redis", "queues", "stream")} == {"bad"}
    unknown = {"workers", "beat", "schedules", "exchange", "host clocks", "clock"}
    assert {name for name, part in parts.items() if not part.is_known} == unknown
    assert {parts[name].sentence for name in unknown} == {"Not known while Redis does not answer."}
    assert parts["stream"].sentence.startswith("Redis does not answer")
    assert [one.code for one in obstacles.everything(obstacles.read()) if one.code in ("workers", "feed")] == ["feed"]
    answer = Client().get("/healthz")
    assert answer.status_code == 503
    assert "nothing is traded" in answer.json()["parts"]["redis"]["sentence"]


def test_healthz_and_metrics_answer_without_login_and_without_secrets(sample: dict[str, Any], settings: Any) -> None:
    settings.KALSHI_KEY_ID = "key-id-nobody-should-see"
    health, metrics = Client().get("/healthz?full"), Client().get("/metrics")
    assert health.status_code == 503  # no worker shows life in this test
    assert Client().get("/healthz").status_code == 200
    text = metrics.content.decode()
    for line in (
        'kalbot_part_state{part="database"} 0.0',
        'kalbot_open_cost_dollars{mode="live",profile="live"}',
        "kalbot_open_discrepancies 1.0",
        'kalbot_latency_ms{quantile="p50",what="cycle"}',
    ):
        assert line in text
    for body in (text, health.content.decode()):
        assert "key-id-nobody-should-see" not in body
        assert settings.SECRET_KEY not in body


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"KALBOT_LIVE": True, "KALSHI_KEY_ID": "", "KALSHI_PRIVATE_KEY_PATH": ""}, "kalbot.E001"),
        ({"KALSHI_PRIVATE_KEY_PATH": "/nowhere/key.pem"}, "kalbot.E002"),
        ({"KALSHI_PRIVATE_KEY_PATH": __file__}, "kalbot.E003"),
        ({"KALSHI_PRIVATE_KEY_PATH": "/nowhere/key.pem", "KALSHI_PRIVATE_KEY": "x"}, "kalbot.E011"),
        ({"KALSHI_PRIVATE_KEY": "MIIEvQ"}, "kalbot.E012"),
        ({"KALSHI_FEE_GRID": "a cent"}, "kalbot.E013"),
        ({"KALSHI_FEE_GRID": "0"}, "kalbot.E013"),
        ({"KALBOT_TAPE_DIR": __file__}, "kalbot.E014"),
        ({"STATE_DIR": Path(__file__) / "below"}, "kalbot.E014"),
        ({"TRIAGE_SOURCES": "nws,nwss"}, "kalbot.E015"),
        ({"TRIAGE_JSON_FEEDS": "/nowhere/feeds.json"}, "kalbot.E016"),
        ({"TRIAGE_JSON_FEEDS": __file__}, "kalbot.E016"),
        ({"REDIS_URL": "localhost:6379"}, "kalbot.E004"),
        ({"BROKER_URL": "redis://h/1", "PRICES_URL": "redis://h/1"}, "kalbot.E005"),
        ({"BROKER_URL": "redis://h", "PRICES_URL": "redis://h:6379/0"}, "kalbot.E005"),
        ({"REDIS_URL": "redis://h/2", "BROKER_URL": "redis://h/2/0", "PRICES_URL": "redis://h/2/1"}, "kalbot.E017"),
        ({"REDIS_URL": "redis://h?x=y", "BROKER_URL": "redis://h/0", "PRICES_URL": "redis://h?x=y/1"}, "kalbot.E017"),
        ({"ALLOWED_HOSTS": ["kalbot.example.org"], "SECRET_KEY": "development-only-x"}, "kalbot.E006"),
        ({"KALSHI_REST_URL": "ftp://x"}, "kalbot.E007"),
        (
            {"KALSHI_REST_URL": "https://api.elections.kalshi.com/x", "KALSHI_WS_URL": "wss://demo.kalshi.co/x"},
            "kalbot.E009",
        ),
        ({"KALSHI_REST_URL": PRODUCTION, "KALSHI_WS_URL": "ws://127.0.0.1:8000/x"}, "kalbot.E009"),
        (
            {"KALSHI_REST_URL": "http://localhost:1/x", "KALSHI_WS_URL": "wss://external-api-ws.kalshi.com/x"},
            "kalbot.E009",
        ),
        ({"KALSHI_REST_URL": PRODUCTION, "KALSHI_WS_URL": "wss://external-api-ws.kalshi.com.x.org/x"}, "kalbot.E009"),
        ({"KALSHI_REST_URL": "http://api.example.org/x", "KALSHI_WS_URL": "wss://api.example.org/x"}, "kalbot.E010"),
        ({"KALSHI_REST_URL": "https://api.example.org/x", "KALSHI_WS_URL": "ws://api.example.org/x"}, "kalbot.E010"),
    ],
)
def test_bad_configuration_is_one_sentence(values: dict[str, Any], code: str, settings: Any) -> None:
    for name, value in values.items():
        setattr(settings, name, value)
    found = [message for check in checks.CHECKS for message in check(None)]
    assert code in {message.id for message in found}
    assert all(message.msg.count("\n") == 0 and message.msg.endswith(".") for message in found)


def test_tokens_left_go_by_the_limits_that_the_account_has(redis_db: Any, settings: Any) -> None:
    from kalbot.console.ops.health import tokens
    from markets import connect
    from markets.kalshi.schemas.account import ApiLimits, BucketLimit
    from markets.kalshi.token_buckets import BASIC
    from markets.rate_limits import SharedLimiter
    from trading.venues import account_limits

    settings.KALSHI_KEY_ID = "key"
    wide = ApiLimits(usage_tier="advanced", read=BASIC.read, write=BucketLimit(1, 900))
    stored = account_limits._Stored(wide.usage_tier, wide.read, wide.write)
    redis_db.set(account_limits.KEY, msgspec.json.encode(stored))
    SharedLimiter(redis_db, connect.limit_scope(connect.environment(), "key"), wide).take(["write"], 10)
    found = tokens.left()
    assert set(found) == {"write"}
    assert 890 <= found["write"] < 900


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
def test_machines_are_answered_whatever_host_name_they_use(
    db: None, redis_db: object, settings: Any, path: str
) -> None:
    settings.ALLOWED_HOSTS = ["kalbot.example.org"]
    for host in ("10.0.0.7:8000", "worker_1", "a b", "[::1", "", "x" * 300, "kalbot.example.org.evil.example"):
        assert Client().get(path, headers={"Host": host}).status_code == 200, host
    settings.ALLOWED_HOSTS = []
    assert Client().head(path, headers={"Host": "10.0.0.7:8000"}).status_code == 200
    assert not LogRecord.objects.exists()
    assert Client().get("/admin/login/", headers={"Host": "10.0.0.7:8000"}).status_code == 400


def test_a_part_that_cannot_be_checked_keeps_its_name(sample: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    names = [part.name for part in status.check()]
    assert names == list(status.PARTS)

    def away() -> status.Part:
        raise OSError

    monkeypatch.setattr(status, "PARTS", dict.fromkeys(status.PARTS, away))
    broken = status.check(status.PARTS)
    assert [part.name for part in broken] == names
    assert {part.state for part in broken} == {"bad"}


def test_settings_that_must_not_be_are_red_on_every_page_and_stop_what_works(
    sample: dict[str, Any], settings: Any
) -> None:
    checks.require()
    assert by_name()["settings"].state == "ok"
    settings.KALSHI_REST_URL, settings.KALSHI_WS_URL = PRODUCTION, "ws://127.0.0.1:8000/trade-api/ws/v2"
    assert "different exchanges (external-api.kalshi.com, 127.0.0.1)" in by_name()["settings"].sentence
    with pytest.raises(SettingError, match="different exchanges"):
        checks.require()
    identity.accept()
    with pytest.raises(SystemExit, match="different exchanges"):
        pulse._require()
    with pytest.raises(SettingError, match="different exchanges"):
        connect.environment()


@pytest.mark.parametrize(
    "host", ["api.elections.kalshi.com", "demo-api.kalshi.co", "external-api.kalshi.com", "external-api.demo.kalshi.co"]
)
def test_the_exchange_s_own_pairs_of_addresses_are_accepted(settings: Any, host: str) -> None:
    settings.KALSHI_REST_URL = f"https://{host}/trade-api/v2"
    settings.KALSHI_WS_URL = f"wss://{host.replace('external-api', 'external-api-ws')}/trade-api/ws/v2"
    assert checks.check_exchange(None) == []


def test_a_known_secret_key_serves_no_page_to_others(settings: Any) -> None:
    checks.require_secret()
    settings.ALLOWED_HOSTS, settings.SECRET_KEY = ["kalbot.example.org"], "development-only-x"
    with pytest.raises(SettingError, match="set your own"):
        checks.require_secret()
