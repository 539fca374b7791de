"""The API: the same rights as the console, every write once and in the audit log."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest
import sample_rows
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from django.urls import reverse
from rich.console import Console

from kalbot import client
from kalbot.common import cache, clock
from kalbot.console.api import tokens
from kalbot.console.api.views import api
from kalbot.console.models import Act, ApiToken
from trading.models import ExitRequest, Leg, Lock, Position, TradingState
from trading.safety import halt
from triage.models import Recommendation

pytestmark = pytest.mark.alike

ROOT = Path(__file__).resolve().parents[2]
Call = Callable[..., Any]


@pytest.fixture
def call(sample: dict[str, Any]) -> Call:
    """``call("operator", "POST", "/halt", {...})``: a request with a fresh token of somebody with that role."""

    def request(role: str, method: str, path: str, body: Any = None, *, token_role: str = "", **headers: str) -> Any:
        name = role.replace(" ", "-")
        person = User.objects.filter(username=name).first() or sample_rows.person(name, role)
        _, secret = tokens.make(person, "script", token_role or role, 1)
        return send(secret, method, path, body, **headers)

    return request


def send(secret: str, method: str, path: str, body: Any = None, **headers: str) -> Any:
    return Client().generic(
        method,
        f"/api/v1{path}",
        json.dumps(body) if body is not None else "",
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}", **headers},
    )


READS = ("/status", "/profiles", "/positions", "/near-misses", "/pnl?mode=sim", "/recommendations")
WHY = {"reason": "because of the test"}


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("role", ["viewer", "operator", "risk manager"])
def test_every_role_reads(call: Call, role: str, path: str) -> None:
    assert call(role, "GET", path).status_code == 200


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/halt", {"operator", "risk manager"}),
        ("/resume", {"risk manager"}),
        ("/positions/{held}/exit", {"operator", "risk manager"}),
        ("/recommendations/{advice}/dismiss", {"operator", "risk manager"}),
    ],
)
@pytest.mark.parametrize("role", ["viewer", "operator", "risk manager"])
def test_writes_need_the_role_of_the_dialog(
    call: Call, sample: dict[str, Any], path: str, allowed: set[str], role: str
) -> None:
    advice = Recommendation.objects.filter(status="open").first()
    assert advice is not None
    body = {**WHY, "least_price": "0.50", "below_floor": "a test"} if path.endswith("exit") else WHY
    answer = call(role, "POST", path.format(held=sample["held"].pk, advice=advice.pk), body)
    assert answer.status_code == (200 if role in allowed else 403), answer.content
    assert Act.objects.exists() == (role in allowed)


def test_every_operation_refuses_without_a_token(sample: dict[str, Any]) -> None:
    paths = api.get_openapi_schema()["paths"]
    assert len(paths) >= 12
    for path, operations in paths.items():
        for method in operations:
            address = path.replace("{pk}", "1").replace("{event}", "X").replace("{answer}", "accept")
            answer = Client().generic(method.upper(), address, "{}", content_type="application/json")
            assert answer.status_code == 401, (method, path)


def test_a_token_of_a_smaller_role_may_only_what_that_role_may(call: Call) -> None:
    assert call("risk manager", "POST", "/halt", WHY, token_role="viewer").status_code == 403
    assert call("viewer", "POST", "/halt", WHY, token_role="risk manager").status_code == 403


def test_expired_revoked_and_unknown_tokens_and_those_of_people_who_left_are_refused(sample: dict[str, Any]) -> None:
    person = sample_rows.person("gone", "operator")
    token, secret = tokens.make(person, "x", "operator", 1)
    assert send(secret, "GET", "/status").status_code == 200
    assert send(secret + "x", "GET", "/status").status_code == 401
    for change in ({"expires_at": clock.now() - timedelta(seconds=1)}, {"revoked_at": clock.now()}):
        ApiToken.objects.filter(pk=token.pk).update(**change)
        assert send(secret, "GET", "/status").status_code == 401
        ApiToken.objects.filter(pk=token.pk).update(expires_at=clock.now() + timedelta(days=1), revoked_at=None)
    type(person).objects.filter(pk=person.pk).update(is_active=False)
    assert send(secret, "GET", "/status").status_code == 401


def test_the_token_itself_is_stored_nowhere(sample: dict[str, Any]) -> None:
    token, secret = tokens.make(sample_rows.person("olga", "operator"), "x", "operator", 1)
    assert secret not in json.dumps({key: str(value) for key, value in vars(token).items()})


def test_a_halt_stops_and_is_in_the_audit_log_with_the_token(call: Call) -> None:
    answer = call("operator", "POST", "/halt", WHY)
    assert answer.json() == {"result": "All profiles: reducing.", "repeated": False}
    row = TradingState.objects.get(scope="global")
    assert (row.state, row.actor) == ("reducing", "operator (API token script)")
    act = Act.objects.get()
    assert (act.name, act.outcome, act.reason) == ("halt", "done", "because of the test")


def test_an_exit_has_a_least_price_and_happens_once_however_often_it_is_sent(sample: dict[str, Any]) -> None:
    _, secret = tokens.make(sample_rows.person("olga", "operator"), "phone", "operator", 1)
    path, body = f"/positions/{sample['held'].pk}/exit", {**WHY, "least_price": "0.4321", "below_floor": "a test"}
    first = send(secret, "POST", path, body, **{"Idempotency-Key": "k1"})
    again = send(secret, "POST", path, body, **{"Idempotency-Key": "k1"})
    assert [first.json()["repeated"], again.json()["repeated"]] == [False, True]
    request = ExitRequest.objects.get()
    assert request.actor == "olga (API token phone)"
    assert {row["price"] for row in request.least_prices} == {4_321}
    assert Act.objects.count() == 1
    other = send(secret, "POST", "/halt", WHY, **{"Idempotency-Key": "k1"})
    assert other.status_code == 409
    assert not TradingState.objects.filter(scope="global", state="reducing").exists()


@pytest.mark.parametrize("price", ["0", "1", "-0.5", "1.2", "0.00001", "abc", None])
def test_an_exit_without_a_sane_least_price_is_refused(call: Call, sample: dict[str, Any], price: Any) -> None:
    answer = call("operator", "POST", f"/positions/{sample['held'].pk}/exit", {**WHY, "least_price": price})
    assert answer.status_code == 422
    assert not ExitRequest.objects.exists()


def test_what_trading_refuses_is_a_conflict_with_its_sentence_and_kept(call: Call, sample: dict[str, Any]) -> None:
    type(sample["held"]).objects.filter(pk=sample["held"].pk).update(status="settled")
    answer = call("operator", "POST", f"/positions/{sample['held'].pk}/exit", {**WHY, "least_price": "0.5"})
    assert answer.status_code == 409
    assert "ended" in answer.json()["detail"]
    assert Act.objects.get().outcome == "refused"


def test_a_guaranteed_basket_is_not_sold_below_its_floor_without_words(call: Call, sample: dict[str, Any]) -> None:
    type(sample["held"]).objects.filter(pk=sample["held"].pk).update(guaranteed=True)
    answer = call("operator", "POST", f"/positions/{sample['held'].pk}/exit", {**WHY, "least_price": "0.4"})
    assert answer.status_code == 409
    assert "only if a person says so, in words" in answer.json()["detail"]
    assert not ExitRequest.objects.exists()


def test_a_price_for_a_leg_that_is_not_held_is_refused(call: Call, sample: dict[str, Any]) -> None:
    body = {**WHY, "least_price": "0.4", "below_floor": "a test", "least_prices": {"yes KXNOSUCH": "0.5"}}
    answer = call("operator", "POST", f"/positions/{sample['held'].pk}/exit", body)
    assert answer.status_code == 409
    assert "Not held: yes KXNOSUCH" in answer.json()["detail"]


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "ok"}, {"reason": "  x  "}, {"reason": "x" * 301}])
def test_a_write_says_why(call: Call, body: dict[str, str]) -> None:
    assert call("operator", "POST", "/halt", body).status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("GET", "/positions?profile=nobody", None, 'There is no profile "nobody"; known: '),
        ("GET", "/near-misses?profile=nobody", None, 'There is no profile "nobody"; known: '),
        ("GET", "/results?profile=nobody", None, 'There is no profile "nobody"; known: '),
        ("GET", "/why/NOSUCH?profile=nobody", None, 'There is no profile "nobody"; known: '),
        ("POST", "/halt", {"reason": "for the test", "profile": "nobody"}, 'There is no profile "nobody"; known: '),
        ("GET", "/positions/999999", None, "There is no position 999999."),
        (
            "POST",
            "/positions/999999/exit",
            {"reason": "for the test", "least_price": "0.4"},
            "There is no position 999999.",
        ),
        ("POST", "/recommendations/999999/dismiss", {"reason": "for the test"}, "There is no recommendation 999999."),
    ],
)
def test_what_is_not_there_is_named_and_never_an_empty_list(
    call: Call, method: str, path: str, body: dict[str, str] | None, words: str
) -> None:
    answer = call("risk manager", method, path, body)
    assert answer.status_code == 404
    assert answer.json()["detail"].startswith(words)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/positions/999999", 404),
        ("/positions/99999999999999999999", 404),
        ("/positions/abc", 404),
        ("/why/NOSUCH?profile=careful", 404),
        ("/why/NOSUCH?profile=nobody", 404),
        ("/pnl", 422),
        ("/pnl?mode=both", 422),
        ("/positions?state=odd", 422),
        ("/positions?limit=-5", 200),
    ],
)
def test_odd_requests_are_answered_in_json(call: Call, path: str, status: int) -> None:
    answer = call("viewer", "GET", path)
    assert (answer.status_code, answer["Content-Type"].partition(";")[0]) == (status, "application/json")
    assert answer.json() if status == 200 else answer.json()["detail"]


def test_a_request_that_is_too_large_is_refused_and_is_no_error_of_ours(
    sample: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    answer = Client().generic("POST", "/api/v1/halt", b"x" * 3_000_000, content_type="application/json")
    assert (answer.status_code, answer.json()) == (413, {"detail": "A request has at most 2,621,440 bytes."})
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


def test_money_is_exact_and_the_modes_are_apart(call: Call, sample: dict[str, Any]) -> None:
    found = call("viewer", "GET", f"/positions/{sample['held'].pk}").json()
    held = sample["held"]
    held.refresh_from_db()
    assert int(float(found["cost"]) * 1_000_000 + 0.5) == held.cost
    assert {row["mode"] for row in call("viewer", "GET", "/pnl?mode=live").json()} <= {"live"}
    assert found["legs"]
    assert found["history"]


def test_too_many_requests_a_minute_are_refused_and_without_redis_nothing_is(
    sample: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "REQUESTS_A_MINUTE", 3)
    monkeypatch.setattr(clock, "now_ms", lambda: 60_000_000)
    _, secret = tokens.make(sample_rows.person("olga", "operator"), "x", "viewer", 1)
    assert [send(secret, "GET", "/recommendations").status_code for _ in range(4)] == [200, 200, 200, 429]
    assert send(secret, "POST", "/halt", WHY).status_code == 403, "who reads too often may write: a halt gets through"
    unreachable = cache.prices().from_url("redis://127.0.0.1:9/0", socket_connect_timeout=0.1)
    monkeypatch.setattr(cache, "prices", lambda: unreachable)
    assert send(secret, "GET", "/recommendations").status_code == 200


def test_a_person_makes_a_token_sees_it_once_and_revokes_it(sample: dict[str, Any], login: Any) -> None:
    client, address = login("operator", "olga"), reverse("admin:tokens")
    page = client.post(address, {"make": "1", "name": "phone", "role": "operator", "days": "30"})
    secret = page.context["secret"]
    assert secret in page.content.decode()
    assert send(secret, "GET", "/status").status_code == 200
    assert secret not in client.get(address).content.decode()
    other = login("operator", "otto")
    other.post(address, {"revoke": str(ApiToken.objects.get().pk)})
    assert send(secret, "GET", "/status").status_code == 200, "only one's own"
    client.post(address, {"revoke": str(ApiToken.objects.get().pk)})
    assert send(secret, "GET", "/status").status_code == 401
    assert list(Act.objects.order_by("id").values_list("name", flat=True)) == ["make_token", "revoke_token"]


@pytest.mark.parametrize(("days", "role"), [("0", "viewer"), ("367", "viewer"), ("x", "viewer"), ("30", "king")])
def test_a_wrong_token_form_makes_none(sample: dict[str, Any], login: Any, days: str, role: str) -> None:
    page = login("operator").post(reverse("admin:tokens"), {"make": "1", "name": "x", "role": role, "days": days})
    assert "k-error" in page.content.decode()
    assert not ApiToken.objects.exists()


def test_a_refusal_and_an_unfinished_write_are_no_success_when_they_are_repeated(
    sample: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, secret = tokens.make(sample_rows.person("olga", "operator"), "phone", "operator", 1)
    path, body = f"/positions/{sample['held'].pk}/exit", {**WHY, "least_price": "0.4"}
    type(sample["held"]).objects.filter(pk=sample["held"].pk).update(status="settled")
    refused = [send(secret, "POST", path, body, **{"Idempotency-Key": "k1"}) for _ in range(2)]
    assert [one.status_code for one in refused] == [409, 409]
    assert refused[0].json() == refused[1].json()

    def dies(**values: Any) -> None:
        raise OperationalError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(halt, "set_state", dies)
        with pytest.raises(OperationalError):
            send(secret, "POST", "/halt", WHY, **{"Idempotency-Key": "k2"})
    again = send(secret, "POST", "/halt", WHY, **{"Idempotency-Key": "k2"})
    assert (again.status_code, again.json()["detail"][:24]) == (409, "It failed (OperationalEr")
    Act.objects.filter(token__endswith=":k2").update(outcome="started", result="")
    assert "died" in send(secret, "POST", "/halt", WHY, **{"Idempotency-Key": "k2"}).json()["detail"]
    assert not TradingState.objects.filter(scope="global", state="reducing").exists()


def test_a_key_with_another_body_is_another_request_and_the_body_is_kept(call: Call, sample: dict[str, Any]) -> None:
    person = sample_rows.person("olga", "operator")
    _, secret = tokens.make(person, "phone", "operator", 1)
    path = "/exits"
    body = {**WHY, "positions": [sample["held"].pk], "below_floor": "a test"}
    first = send(secret, "POST", path, body, **{"Idempotency-Key": "k1"})
    assert first.status_code == 200, first.content
    other = send(secret, "POST", path, {**body, "positions": [*range(9_000, 9_100)]}, **{"Idempotency-Key": "k1"})
    assert other.status_code == 409
    assert json.loads(Act.objects.get().shown[0][1])["below_floor"] == "a test"


def test_a_key_that_was_used_for_another_position_or_advice_is_refused(sample: dict[str, Any]) -> None:
    """What is meant may be in the path alone: two exits with the same words are two exits."""
    _, secret = tokens.make(sample_rows.person("olga", "operator"), "phone", "operator", 1)
    held = list(Position.objects.filter(status="open").order_by("pk")[:2])
    body = {**WHY, "least_price": "0.4321", "below_floor": "a test"}
    answers = [send(secret, "POST", f"/positions/{one.pk}/exit", body, **{"Idempotency-Key": "k1"}) for one in held]
    assert [one.status_code for one in answers] == [200, 409], answers[1].content
    assert list(ExitRequest.objects.values_list("position", flat=True)) == [held[0].pk]
    advice = Recommendation.objects.filter(status="open").first()
    assert advice is not None
    answers = [
        send(secret, "POST", f"/recommendations/{pk}/dismiss", WHY, **{"Idempotency-Key": "k2"})
        for pk in (advice.pk, _another(advice).pk)
    ]
    assert [one.status_code for one in answers] == [200, 409], answers[1].content


def _another(advice: Recommendation) -> Recommendation:
    taken = Recommendation.objects.values("position")
    position = Position.objects.exclude(pk__in=taken).first()
    assert position is not None
    return Recommendation.objects.create(position=position, advice=advice.advice, reason=advice.reason)


def test_a_long_request_that_differs_at_its_end_is_another_one(sample: dict[str, Any]) -> None:
    _, secret = tokens.make(sample_rows.person("olga", "operator"), "phone", "operator", 1)
    long = {**WHY, "least_price": "0.4", "counts": {f"yes {number:040}": "1" for number in range(500)}}
    path = f"/positions/{sample['held'].pk}/exit"
    first = send(secret, "POST", path, long, **{"Idempotency-Key": "k1"})
    other = send(secret, "POST", path, {**long, "reason": "another reason"}, **{"Idempotency-Key": "k1"})
    assert first.status_code == other.status_code == 409
    assert ("Not held" in first.json()["detail"], "something else" in other.json()["detail"]) == (True, True)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/why/A%00B?profile=careful", None, 400),
        ("GET", "/positions?profile=%00", None, 400),
        ("POST", "/halt", {"reason": "a\0b is odd"}, 400),
        ("POST", "/resume", {**WHY, "profile": ""}, 422),
        ("POST", "/exits", {**WHY, "positions": [10**30]}, 422),
        ("POST", "/exits", {**WHY, "positions": [-(10**30)]}, 422),
        ("POST", "/positions/1/exit", {**WHY, "least_price": "0.4", "counts": {"yes X": "1e999999"}}, 422),
        ("POST", "/positions/1/exit", {**WHY, "least_price": "0.4", "least_prices": {"yes X": "NaN"}}, 422),
        ("GET", "/results?first=0001-01-01&last=9999-12-31", None, 200),
        ("GET", "/results?first=9999-12-31&last=9999-12-31", None, 200),
        ("POST", "/halt", [], 422),
        ("POST", "/halt", {"reason": "half a \ud800 character"}, 400),
        ("POST", "/halt", {**WHY, "profile": "half a \ud800 character"}, 400),
        ("POST", "/halt", {**WHY, "profile": "a whole one \U0001f600"}, 404),
        ("POST", "/positions/1/exit", {**WHY, "least_price": "0.4", "counts": {"yes \udfff": "1"}}, 400),
        ("GET", "/why/%ED%A0%80?profile=careful", None, 404),
        ("GET", f"/positions/{10**30}", None, 404),
        ("POST", f"/positions/{10**30}/exit", {**WHY, "least_price": "0.4"}, 404),
        ("POST", f"/recommendations/{2**63}/dismiss", WHY, 404),
        ("GET", f"/positions?limit={10**30}", None, 200),
        ("GET", "/positions?limit=-1&state=all", None, 200),
        ("GET", "/results?first=2030-02-30", None, 422),
    ],
)
def test_hostile_values_are_refused_and_break_nothing(
    call: Call, method: str, path: str, body: Any, status: int
) -> None:
    answer = call("risk manager", method, path, body)
    assert answer.status_code == status, answer.content
    assert not TradingState.objects.exclude(state="active").exists()


def test_what_the_switch_leaves_is_said_to_who_turns_it(call: Call, sample: dict[str, Any]) -> None:
    """A halt names what stays naked, an exit under it that it waits, and a resume what still stops new baskets."""
    held = sample["held"]
    Leg.objects.filter(pk=held.legs.latest("pk").pk).update(bought_count=0, open_cost=0, open_fees=0)
    halted = call("operator", "POST", "/halt", {**WHY, "level": "halted"}).json()["result"]
    assert f"Naked until somebody resumes: #{held.pk}: " in halted
    body = {**WHY, "least_price": "0.4", "below_floor": "a test"}
    sold = call("operator", "POST", f"/positions/{held.pk}/exit", body).json()["result"]
    assert "only cancels are sent" in sold
    Recommendation.objects.update(advice="exit")
    advice = Recommendation.objects.get(position=held.pk)
    taken = call("operator", "POST", f"/recommendations/{advice.pk}/accept", WHY).json()["result"]
    assert "only cancels are sent" in taken
    Lock.objects.create(code="leg_failures", reason="three", actor="kalbot", until=clock.now() + timedelta(hours=1))
    resumed = call("risk manager", "POST", "/resume", WHY).json()["result"]
    assert "New baskets stay impossible for all profiles all the same: " in resumed
    assert "locked" in resumed


@pytest.fixture
def terminal(live_server: Any, sample: dict[str, Any]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs ``kalbot …`` as a process of its own against a real server."""
    _, secret = tokens.make(sample_rows.person("olga", "operator"), "terminal", "operator", 1)

    def run(*arguments: str, token: str = secret, url: str = live_server.url) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "KALBOT_API_TOKEN": token, "KALBOT_API_URL": url, "COLUMNS": "140"}
        command = [sys.executable, "-m", "kalbot.client", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)

    return run


@pytest.mark.django_db(transaction=True)
def test_the_terminal_shows_and_acts(
    terminal: Callable[..., subprocess.CompletedProcess[str]], sample: dict[str, Any]
) -> None:
    status = terminal("status")
    assert "Trading is active" in status.stdout, status.stderr
    assert sample["held"].event_id in terminal("positions").stdout
    assert "live" in terminal("pnl").stdout
    assert json.loads(terminal("--json", "positions", "--state", "all").stdout)
    assert terminal("halt", "--reason", "fire drill").stdout.strip() == "All profiles: reducing."
    refused = terminal("resume", "--reason", "over")
    assert refused.returncode == 1
    assert "does not include console.resume" in refused.stderr
    sale = terminal(
        "exit", str(sample["held"].pk), "--least-price", "0.4", "--reason", "enough", "--below-floor", "a test"
    )
    assert "on its way" in sale.stdout, sale.stderr


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("arguments", "options", "code", "words"),
    [
        (["status"], {"token": ""}, 2, "set KALBOT_API_TOKEN"),
        (["status"], {"token": "kb_wrong"}, 1, "not valid"),
        (["status"], {"url": "http://127.0.0.1:9"}, 1, "does not answer"),
        (["halt"], {}, 2, "--reason"),
        (["exit", "1", "--least-price", "7", "--reason", "enough"], {}, 1, "least_price"),
        (["why", "NOSUCH", "--profile", "careful"], {}, 1, "NOSUCH is not known here"),
        (["exit", "999999", "--least-price", "0.5", "--reason", "enough"], {}, 1, "There is no position 999999."),
    ],
)
def test_the_terminal_says_what_is_wrong(
    terminal: Callable[..., subprocess.CompletedProcess[str]],
    arguments: list[str],
    options: dict[str, str],
    code: int,
    words: str,
) -> None:
    done = terminal(*arguments, **options)
    assert (done.returncode, words in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


class Odd(BaseHTTPRequestHandler):
    """A server that is no Kalbot of this version: what it answers is said by the first part of the address."""

    ANSWERS: ClassVar[dict[str, tuple[int, bytes]]] = {
        "old": (200, b'{"state": "ok"}'),
        "list": (200, b"[]"),
        "text": (200, b'"fine"'),
        "none": (404, b'{"detail": "Not Found"}'),
        "page": (502, b"<html>"),
        "null": (200, b"null"),
        "moved": (302, b"{}"),
        "markup": (
            200,
            b'{"trading": "active [/x]", "parts": [{"name": "[b", "state": "new", "sentence": "[/red] [1/2]"}]}',
        ),
        "detail": (422, b'{"detail": ["odd"]}'),
    }

    def do_GET(self) -> None:
        code, body = self.ANSWERS[self.path.split("/")[1]]
        self.send_response(code)
        if code == 302:
            self.send_header("Location", "https://elsewhere.example/")
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def odd_server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Odd)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("kind", list(Odd.ANSWERS))
@pytest.mark.parametrize("command", [["status"], ["positions"], ["pnl"], ["halt", "--reason", "enough"]])
def test_the_terminal_ends_with_a_sentence_whatever_answers(
    odd_server: str, kind: str, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("KALBOT_API_TOKEN", "kb_x")
    code = client.main(["--url", f"{odd_server}/{kind}", *command])
    said = capsys.readouterr()
    good = {("status", "markup"), ("positions", "list"), ("pnl", "list")}
    if command[0] == "halt":  # an answer of another form to a write that was accepted is no failure
        assert code == (1 if kind in ("none", "page", "moved", "detail") else 0)
    else:
        assert code == 0 if (command[0], kind) in good else code in (0, 1)
        assert (command[0], kind) not in {("status", "old"), ("status", "list"), ("pnl", "moved")} or code == 1
    assert code == 0 or said.err.startswith("kalbot: "), said
    if kind == "markup" and command == ["status"]:
        assert "[/red] [1/2]" in said.out


def test_an_empty_name_resumes_nothing(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("KALBOT_API_TOKEN", "kb_x")
    assert client.main(["resume", "--reason", "enough", "--profile", ""]) == 1
    assert "--profile is empty" in capsys.readouterr().err
    monkeypatch.setenv("KALBOT_API_TOKEN", "kb_ñ☃")
    assert client.main(["--url", "http://127.0.0.1:9", "halt", "--reason", "enough"]) == 1
    assert "characters that no token has" in capsys.readouterr().err
    monkeypatch.setenv("KALBOT_API_TOKEN", "kb_x")
    assert client.main(["--url", "http://127.0.0.1:9", "halt", "--reason", "enough"]) == 1
    assert "may have been done" in capsys.readouterr().err


def test_a_part_and_several_are_exited_as_in_the_console(call: Call, sample: dict[str, Any]) -> None:
    held = sample["held"]
    path, words = f"/positions/{held.pk}/exit", {**WHY, "least_price": "0.4", "below_floor": "a test"}
    leg = held.legs.first()
    for body, code in (
        ({"share": "0"}, 422),
        ({"share": "100.5"}, 422),
        ({"share": "50", "counts": {f"{leg.side} {leg.market_id}": "1"}}, 409),
        ({"counts": {f"{leg.side} {leg.market_id}": "0.001"}}, 409),
        ({"counts": {f"{leg.side} {leg.market_id}": "1000000"}}, 409),
        ({"counts": {"yes KXNOSUCH": "1"}}, 409),
    ):
        assert call("operator", "POST", path, {**words, **body}).status_code == code, body
    assert not ExitRequest.objects.exists()
    answer = call("operator", "POST", path, {**words, "share": "40"})
    assert "part of position" in answer.json()["result"]
    assert {row["count"] for row in ExitRequest.objects.get().counts} == {1_000}
    for many, code in (([], 422), ([0], 422), ([held.pk, 10**15], 409)):
        assert call("operator", "POST", "/exits", {**WHY, "positions": many}).status_code == code, many
    assert ExitRequest.objects.count() == 1
    whole = call("operator", "POST", "/exits", {**words, "positions": [held.pk]})
    assert "1 exit is on the way" in whole.json()["result"]
    assert [one.status for one in ExitRequest.objects.order_by("id")] == ["cancelled", "open"]
    assert call("viewer", "POST", "/exits", {**WHY, "positions": [held.pk]}).status_code == 403


def test_long_lines_of_why_are_wrapped_under_their_beginning(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["Verdict: none yet.", "", f"  closes         MISSED  closes_soon: {'very ' * 12}long ago"]
    answer = {"stops": [], "lines": lines}
    wanted = argparse.Namespace(event="E", profile="p")
    client.why(cast("client.Client", SimpleNamespace(get=lambda *_, **__: answer)), wanted, Console(width=60))
    shown = capsys.readouterr().out.splitlines()
    assert shown[:2] == ["Verdict: none yet.", ""]
    assert shown[2].startswith("  closes         MISSED  closes_soon: very")
    assert all(line.startswith("      very") or line.startswith("      long") for line in shown[3:])
    assert max(map(len, shown)) <= 60
