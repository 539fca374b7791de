"""Notifications: what happens reaches people once, in time, and a broken channel stops nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import apprise
import pytest
import time_machine
from django.db.models import F
from django.urls import reverse
from peers import Receiver, http_receiver, smtp_receiver

from bench.streaming.stage import certificate
from kalbot.common import clock
from kalbot.console import tasks
from kalbot.console.models import Act, Channel, Cursor, Delivery, EventKind, Notification, Rule, Severity
from kalbot.console.notify import addresses, collect, deadman, deliver, messages, parts, quiet, service, summaries
from kalbot.console.notify.drafts import SEVERITIES, Draft, store
from kalbot.console.ops.health import heartbeats
from kalbot.console.pages.home import attention
from markets.models import Certificate, ContractTerms, TermsChange
from trading import leases, states
from trading.models import Denial, Discrepancy, ExitRequest, Lock, Position, PositionEvent, PositionStatus, TradingState
from trading.safety import discrepancies, halt

pytestmark = pytest.mark.alike

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def web() -> Iterator[Receiver]:
    with http_receiver() as got:
        yield got


def channel(got: Receiver, name: str = "ops", **values: Any) -> Channel:
    address = f"json://127.0.0.1:{got.port}/hook"
    made: Channel = Channel.objects.create(
        name=name, address=addresses.encrypt(address), service="JSON", **{"bundle_seconds": 0, **values}
    )
    Rule.objects.create(channel=made, least_severity=Severity.INFO)
    return made


def say(key: str = "one", kind: EventKind = EventKind.DISCREPANCY, **values: Any) -> None:
    store([Draft(kind, key, f"title of {key}", f"body of {key}", **values)])


def run(at: datetime | None = None) -> None:
    deliver.assign()
    for pk in deliver.due_channels(at or clock.now()):
        deliver.send_due(pk, at)


def test_a_notification_arrives_at_a_real_web_service(db: None, web: Receiver) -> None:
    channel(web)
    say()
    run()
    (message,) = web.messages
    assert message["title"] == f"{messages.sender()}: title of one"
    assert "body of one" in message["message"]
    assert Delivery.objects.get().status == Delivery.Status.SENT
    run()
    assert len(web.messages) == 1


def test_a_notification_arrives_by_mail(db: None) -> None:
    with smtp_receiver() as mail:
        address = f"mailto://127.0.0.1:{mail.port}?from=kalbot@example.org&to=risk@example.org"
        made = Channel.objects.create(name="mail", address=addresses.encrypt(address), bundle_seconds=0)
        Rule.objects.create(channel=made, least_severity=Severity.INFO)
        say()
        run()
        assert Channel.objects.get().last_error == ""
        (found,) = mail.mails
    assert "title of one" in str(found["Subject"])


def test_a_title_of_the_exchange_is_text_in_a_mail_and_ends_no_header(db: None) -> None:
    title, body = "S&P\r\nBcc: x@example.org \x00 above <b>5,000</b>\ud800?", "One & <two>\nThree"
    with smtp_receiver() as mail:
        address = f"mailto://127.0.0.1:{mail.port}?from=kalbot@example.org&to=risk@example.org"
        assert service.send(address, title, body, urgent=True) == ""
        (found,) = mail.mails
    assert found["Bcc"] is None
    assert found["Subject"] == "S&P Bcc: x@example.org above <b>5,000</b>??"
    assert (found.get_content_type(), str(found.get_payload()).split()) == ("text/plain", body.split())


def test_a_message_that_is_sent_on_is_not_a_message_that_arrived(db: None, web: Receiver) -> None:
    made = channel(web)
    web.answer, web.headers = 302, {"Location": f"http://127.0.0.1:{web.port}/elsewhere"}
    say()
    run()
    made.refresh_from_db()
    assert (made.failures, web.paths) == (1, ["/hook"])


def test_a_service_that_answers_without_an_end_is_left_and_named(
    db: None, web: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = channel(web)
    web.drips = True
    monkeypatch.setattr(service, "SECONDS", 0.5)
    say()
    run()
    made.refresh_from_db()
    assert made.last_error == "The service did not answer within 0.5 s."
    assert web.left.wait(60), "its connection is closed, and the thread that waited is gone"


def test_a_service_whose_certificate_nobody_vouches_for_is_sent_nothing(db: None, tmp_path: Path) -> None:
    with http_receiver(certificate(tmp_path)) as got:
        made = channel(got)
        say()
        Channel.objects.update(address=addresses.encrypt(f"jsons://127.0.0.1:{got.port}/hook"))
        run()
        made.refresh_from_db()
        assert (made.failures, got.messages) == (1, [])
        assert made.last_error == "The service's certificate is not accepted: self-signed certificate."
        assert service.send(f"jsons://127.0.0.1:{got.port}/hook?verify=no", "t", "b", urgent=False) == "", (
            "a person's word"
        )


def test_a_service_that_speaks_no_tls_is_named_so_and_one_that_is_gone_is_not(db: None, web: Receiver) -> None:
    said = service.send(f"jsons://127.0.0.1:{web.port}/hook", "t", "b", urgent=False)
    assert said.startswith("The service does not speak TLS as expected: ")
    assert "onnection error" in service.send("jsons://127.0.0.1:1/hook", "[SSL: X] t", "b", urgent=False)


def test_a_service_that_answers_ten_megabytes_took_the_message_and_its_words_are_cut(db: None, web: Receiver) -> None:
    made = channel(web)
    web.answers = b"x" * 10_000_000
    say()
    run()
    assert (len(web.messages), Delivery.objects.get().status) == (1, Delivery.Status.SENT)
    web.answer = 500
    say("two")
    run()
    made.refresh_from_db()
    assert (made.failures, len(made.last_error) <= 300) == (1, True)


def test_the_same_thing_is_stored_once(db: None) -> None:
    say()
    say()
    assert Notification.objects.count() == 1


def test_a_rule_chooses_by_severity_kind_profile_and_mode(sample: dict[str, Any], web: Receiver) -> None:
    made = channel(web)
    profile = sample["held"].profile
    rule = made.rules.get()
    cases: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
        ({"least_severity": Severity.URGENT}, {"severity": Severity.WARNING}, False),
        ({"least_severity": Severity.URGENT}, {"severity": Severity.URGENT}, True),
        ({"kind": EventKind.LOCK}, {}, False),
        ({"kind": EventKind.DISCREPANCY}, {}, True),
        ({"profile": profile}, {"profile_id": profile.pk}, True),
        ({"profile": profile}, {}, False),
        ({"mode": "live"}, {"mode": "sim"}, False),
        ({"mode": "live"}, {"mode": "live"}, True),
        ({"mode": "live"}, {}, True),
    ]
    for number, (rule_values, draft_values, wanted) in enumerate(cases):
        defaults = {"least_severity": Severity.INFO, "kind": "", "profile": None, "mode": ""}
        Rule.objects.filter(pk=rule.pk).update(**{**defaults, **rule_values})
        say(f"case {number}", **draft_values)
        notification = Notification.objects.get(key=f"case {number}")
        assert (deliver.channels_of(notification) == [made.pk]) is wanted, (rule_values, draft_values)


def test_what_happens_on_paper_is_never_urgent(db: None) -> None:
    say("paper", EventKind.RESIDUAL, mode="sim")
    say("live", EventKind.RESIDUAL, mode="live")
    found = dict(Notification.objects.values_list("key", "severity"))
    assert found == {"paper": Severity.WARNING, "live": Severity.URGENT}


def test_what_happens_together_is_one_message_with_the_gravest_first(db: None, web: Receiver) -> None:
    channel(web, bundle_seconds=30)
    say("calm", EventKind.OPENED)
    say("grave", EventKind.LOCK)
    run()
    assert not web.messages, "it waits for the bundle"
    run(clock.now() + timedelta(seconds=31))
    (message,) = web.messages
    assert message["title"] == f"{messages.sender()}: title of grave (and 1 more)"
    assert message["message"].index("grave") < message["message"].index("calm")


def test_what_is_urgent_does_not_wait_for_the_bundle(db: None, web: Receiver) -> None:
    channel(web, bundle_seconds=600)
    say(kind=EventKind.DISCREPANCY)
    run()
    assert len(web.messages) == 1


def test_at_night_only_what_is_urgent_is_sent_and_the_rest_in_the_morning(db: None, web: Receiver) -> None:
    channel(web, quiet_from=time(22), quiet_until=time(7), time_zone="Europe/Berlin")
    say("calm", EventKind.OPENED)
    say("urgent", EventKind.DISCREPANCY)
    night, morning = datetime(2031, 1, 5, 23, 0, tzinfo=UTC), datetime(2031, 1, 6, 6, 30, tzinfo=UTC)
    run(night)
    assert [message["title"] for message in web.messages] == [f"{messages.sender()}: title of urgent"]
    run(morning)
    assert web.messages[1]["title"] == f"{messages.sender()}: title of calm"


def test_a_night_of_notifications_is_one_message_with_the_gravest_and_newest_and_the_rest_counted(
    db: None, web: Receiver, settings: Any
) -> None:
    settings.CONSOLE_URL = "https://kalbot.example"
    channel(web, quiet_from=time(22), quiet_until=time(7), time_zone="Europe/Berlin")
    for number in range(700):
        say(f"calm {number}", EventKind.OPENED)
    for number in range(3):
        say(f"odd {number}", EventKind.UNWINDING)
    at = datetime(2031, 1, 6, 1, 0, tzinfo=UTC)
    Notification.objects.update(at=at)
    run(at)
    assert not web.messages
    run(at)  # 500 are read at once
    run(datetime(2031, 1, 6, 6, 30, tzinfo=UTC))
    (one,) = web.messages
    assert one["title"] == f"{messages.sender()}: title of odd 2 (and 702 more)"
    text = one["message"]
    assert text.startswith("703 notifications from 2031-01-06 02:00 to 2031-01-06 02:00 (CET). The gravest and newest:")
    assert text.index("odd 2") < text.index("odd 0") < text.index("calm 699") < text.index("calm 683")
    assert "calm 682" not in text
    assert "And 683 more:\n683 x a position opened\n" in text
    assert text.endswith("All of them: https://kalbot.example/admin/console/notification/")
    assert set(Delivery.objects.values_list("status")) == {(Delivery.Status.SENT,)}


def test_a_summary_holds_whole_paragraphs_and_counts_what_does_not_fit() -> None:
    at = datetime(2031, 1, 6, 1, 0, tzinfo=UTC)
    rows = [
        Notification(title=f"t{n}.", body="b" * 400, kind=EventKind.LOCK, severity=Severity.URGENT, pk=n, at=at)
        for n in range(30)
    ]
    _, text, urgent = messages.message(rows)
    shown = [n for n in range(30) if f"t{n}." in text]
    assert shown == list(range(30 - len(shown), 30))
    assert len(shown) > 5
    assert len(text) <= messages.LONGEST
    assert text.count("b" * 400) == len(shown)
    assert f"And {30 - len(shown)} more:\n{30 - len(shown)} x new baskets are locked (urgent)" in text
    assert urgent


@pytest.mark.parametrize(
    ("hour", "start", "end", "expected"),
    [
        (23, 22, 7, True),
        (6, 22, 7, True),
        (7, 22, 7, False),
        (12, 22, 7, False),
        (12, 9, 17, True),
        (17, 9, 17, False),
        (9, 9, 9, False),
    ],
)
def test_quiet_hours_may_pass_midnight(hour: int, start: int, end: int, expected: bool) -> None:
    assert quiet.is_quiet(datetime(2030, 6, 1, hour, tzinfo=UTC), "UTC", time(start), time(end)) is expected


def test_a_failing_channel_is_retried_later_shown_and_given_up_in_the_open(db: None, web: Receiver) -> None:
    made = channel(web)
    web.answer = 500
    say()
    at = clock.now()
    for attempt in range(len(deliver.RETRIES) + 1):
        run(at)
        made.refresh_from_db()
        assert made.failures == attempt + 1
        assert made.last_error
        run(at)
        assert len(web.paths) == attempt + 1, "it is left alone until its time"
        at = made.retry_at or at
    assert Delivery.objects.get().status == Delivery.Status.FAILED
    web.answer = 200
    say("later")
    run(at + timedelta(hours=2))
    made.refresh_from_db()
    assert (made.failures, made.last_error) == (0, "")
    assert [message["title"] for message in web.messages] == [f"{messages.sender()}: title of later"]


def test_a_failing_channel_does_not_hold_up_another(db: None, web: Receiver) -> None:
    with http_receiver() as broken:
        broken.answer = 500
        channel(broken, "broken")
        channel(web, "sound")
        say()
        run()
    assert len(web.messages) == 1


def test_a_worker_that_died_while_sending_costs_half_a_minute_not_the_message(db: None, web: Receiver) -> None:
    channel(web)
    say()
    deliver.assign()
    now = clock.now()
    Delivery.objects.update(claimed_until=now + deliver.CLAIM)
    assert deliver.due_channels(now) == []
    run(now + deliver.CLAIM + timedelta(seconds=1))
    assert len(web.messages) == 1


def test_while_a_message_is_being_sent_no_other_worker_sends_to_the_channel(db: None, web: Receiver) -> None:
    """A service that does not answer would take one worker after the other: those that scan too."""
    made = channel(web)
    say()
    deliver.assign()
    now = clock.now()
    Delivery.objects.update(claimed_until=now + timedelta(seconds=service.SECONDS))
    say("two", severity=Severity.URGENT)
    deliver.assign()
    assert (deliver.due_channels(now), deliver.send_due(made.pk, now)) == ([], 0)
    assert timedelta(seconds=service.SECONDS) < deliver.CLAIM
    later = now + deliver.CLAIM
    assert (deliver.due_channels(later), deliver.send_due(made.pk, later)) == ([made.pk], 2)


def test_why_a_message_failed_says_nothing_of_another_channel(web: Receiver) -> None:
    web.answer = 500
    alone = service.send(f"json://127.0.0.1:{web.port}/hook", "t", "b", urgent=False)
    stopping = threading.Event()

    def others() -> None:
        while not stopping.is_set():
            service.send("json://anna:hunter2hunter2@127.0.0.1:1/secretpath", "t", "b", urgent=False)

    thread = threading.Thread(target=others, daemon=True)
    thread.start()
    said = {service.send(f"json://127.0.0.1:{web.port}/hook", "t", "b", urgent=False) for _ in range(20)}
    stopping.set()
    thread.join(60)
    assert alone
    assert said == {alone}


def test_the_address_is_encrypted_and_never_in_an_error(db: None) -> None:
    address = "json://user:hunter2hunter2@127.0.0.1:9/secretpathsecret"
    made = Channel.objects.create(name="dead", address=addresses.encrypt(address), bundle_seconds=0)
    Rule.objects.create(channel=made, least_severity=Severity.INFO)
    assert "hunter2" not in Channel.objects.get().address
    say()
    run()
    error = Channel.objects.get().last_error
    assert error
    assert "hunter2" not in error
    assert "secretpath" not in error


def test_an_address_of_another_key_is_said_and_raises_nothing(db: None, web: Receiver, settings: Any) -> None:
    channel(web)
    settings.NOTIFY_KEY = "some-other-value"
    say()
    run()
    assert "some-other-value" not in Channel.objects.get().last_error
    assert "enter it again" in Channel.objects.get().last_error


def test_an_unknown_service_is_no_address() -> None:
    assert service.name_of("no address at all") is None
    assert service.name_of("nosuchservice://x") is None
    assert service.name_of("json://127.0.0.1/")


def test_every_kind_has_a_severity() -> None:
    assert set(SEVERITIES) == set(EventKind)


@pytest.fixture
def collecting(sample: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Cursors are set: from now on everything is reported. The parts of the system have tests of their own."""
    monkeypatch.setattr(collect, "parts", lambda now: [])
    monkeypatch.setattr(summaries, "due", lambda now: [])
    collect.collect()
    assert not Notification.objects.exists(), "what happened before is history"
    return sample


def kinds() -> list[str]:
    return list(Notification.objects.order_by("id").values_list("kind", flat=True))


def test_a_position_that_opens_and_one_that_settles_are_reported(collecting: dict[str, Any]) -> None:
    position = collecting["held"]
    for status in (PositionStatus.OPEN, PositionStatus.SETTLED):
        PositionEvent.objects.create(position=position, from_status="x", to_status=status, reason="because")
    collect.collect()
    collect.collect()
    assert kinds() == ["opened", "closed"]
    assert position.event.title in Notification.objects.first().title  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("course", "said"),
    [
        ("unwinding completing unwinding quoting completing unwinding", ["unwinding"]),
        ("unwinding completing open", ["unwinding", "opened"]),
        ("open exiting open exiting open", ["opened"]),
        ("unwinding open unwinding completing open unwinding", ["unwinding", "opened"]),
        ("unwinding completing +20 unwinding +20 completing unwinding", ["unwinding"]),
        ("unwinding open +20 unwinding completing unwinding", ["unwinding", "opened", "unwinding"]),
        ("unwinding aborted +20 unwinding aborted", ["unwinding", "aborted", "unwinding", "aborted"]),
    ],
)
def test_a_basket_that_goes_back_and_forth_is_one_incident_and_one_alert(
    course: str, said: list[str], collecting: dict[str, Any]
) -> None:
    before = "executing"
    for word in course.split():
        if word.startswith("+"):
            earlier = PositionEvent.objects.filter(position=collecting["held"])
            earlier.update(at=F("at") - timedelta(minutes=int(word)))
            continue
        PositionEvent.objects.create(position=collecting["held"], from_status=before, to_status=word, reason=word)
        before = word
        collect.collect()
    assert kinds() == said


def test_a_real_change_of_state_is_reported(collecting: dict[str, Any]) -> None:
    position = collecting["held"]
    with leases.lease(position.pk) as lease:
        states.transition(position, PositionStatus.EXITING, reason="test", lease=lease)
        states.transition(position, PositionStatus.CLOSED, reason="test", lease=lease)
    collect.collect()
    assert kinds() == ["closed"]


def test_terms_that_lose_their_approval_are_reported_with_the_positions_that_rest_on_them(
    collecting: dict[str, Any],
) -> None:
    held = collecting["held"]
    first, second = (
        ContractTerms.objects.create(exchange="simulator", url="/terms/T.txt", title="Temperature", version=version)
        for version in (1, 2)
    )
    Certificate.objects.filter(pk=held.decision.certificate_id).update(terms=first)
    TermsChange.objects.create(terms=second, kind=TermsChange.Kind.HASH_CHANGED, detail="Another hash.")
    TermsChange.objects.create(terms=second, kind=TermsChange.Kind.APPROVED, detail="Read.")
    collect.collect()
    collect.collect()
    assert kinds() == ["terms"]
    said = Notification.objects.get()
    assert (
        said.body
        == f"Another hash.\nOpen positions that rest on them: #{held.pk} of {held.profile.name} ({held.mode})."
    )
    assert f"#{held.pk} of" in attention.alerts()["alerts"][0]["text"]


def test_contracts_that_cannot_be_sold_are_reported_once(collecting: dict[str, Any]) -> None:
    held = collecting["held"]
    for code in ("order_unsettled", "order_unknown"):
        type(held).objects.filter(pk=held.pk).update(status="unwinding", residual=code, residual_code=code)
        collect.collect()
    assert kinds() == [], "a moment between two sales"
    for code in ("no_bid", "price_stale", "no_bid", "halted"):
        type(held).objects.filter(pk=held.pk).update(status="unwinding", residual=code, residual_code=code)
        collect.collect()
    assert kinds() == ["residual"]
    for code in ("basket_broken", "orphans_held", "basket_broken"):
        type(held).objects.filter(pk=held.pk).update(status="open", residual=code, residual_code=code)
        collect.collect()
    assert kinds() == ["residual"] * 3


def test_halts_locks_exits_and_differences_are_reported_once_and_again_when_the_amount_changes(
    collecting: dict[str, Any],
) -> None:
    halt.tighten(state=TradingState.State.HALTED, actor="rita", reason="fire drill")
    Lock.objects.create(
        profile=collecting["held"].profile, code="loss_streak", reason="three", until=clock.now() + timedelta(hours=1)
    )
    ExitRequest.objects.create(position=collecting["held"], source="person", actor="olga", reason="enough")
    for theirs, amount, rung in (
        ("$9", 1, 1),
        ("$9 and a word more", 1, 1),
        ("$500", -490, 2),
        ("$500 still", -490, 2),
    ):
        discrepancies.found(None, Discrepancy.Code.CASH, "0", theirs=theirs, amount=amount, tightens=False)
        collect.collect()
        assert kinds().count("discrepancy") == rung, theirs
    assert sorted({*kinds()}) == ["discrepancy", "exit_requested", "lock", "trading_state"]
    assert "Explained" not in " ".join(Notification.objects.values_list("title", flat=True))


@pytest.mark.parametrize("code", discrepancies.INCIDENTS)
def test_a_reason_that_comes_and_goes_is_one_incident_and_one_alert(
    code: Discrepancy.Code, collecting: dict[str, Any]
) -> None:
    for theirs in ("no_bid", "price_stale", "no_bid", "rate_limited"):
        discrepancies.found(None, code, "7", ours=f"while {theirs}", theirs=theirs, tightens=False)
        collect.collect()
    assert kinds() == ["discrepancy"]
    assert Discrepancy.objects.get(code=code, key="7").theirs == "rate_limited"


def test_a_row_that_was_committed_late_is_not_missed(collecting: dict[str, Any]) -> None:
    late = PositionEvent.objects.create(position=collecting["held"], from_status="x", to_status="open", reason="late")
    PositionEvent.objects.filter(pk=late.pk).update(at=clock.now() - timedelta(seconds=30))
    first = Cursor.objects.get(name="position events")
    Cursor.objects.filter(pk=first.pk).update(state={"begun": (clock.now() - timedelta(hours=1)).isoformat()})
    collect.collect()
    assert Notification.objects.filter(key=f"opened:{late.position_id}").exists()


def test_a_part_is_reported_after_half_a_minute_and_when_it_is_back(
    db: None, redis_db: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kalbot.console.ops.health import status

    bad = [status.Part("stream", status.BAD, "No living connection.")]
    good = [status.Part("stream", status.OK, "Fine.")]
    now = clock.now()
    monkeypatch.setattr(status, "check", lambda: bad)
    assert parts.parts(now) == []
    assert [draft.kind for draft in parts.parts(now + timedelta(seconds=31))] == [EventKind.PART_DOWN]
    assert parts.parts(now + timedelta(seconds=60)) == []
    monkeypatch.setattr(status, "check", lambda: good)
    assert [draft.kind for draft in parts.parts(now + timedelta(seconds=90))] == [EventKind.PART_BACK]
    assert parts.parts(now + timedelta(seconds=95)) == []


def judged(monkeypatch: pytest.MonkeyPatch, at: datetime, bad: bool, name: str = "stream") -> list[str]:
    """Titles of what is said of a part that is or is not bad at ``at``."""
    from kalbot.console.ops.health import status

    part = status.Part(name, status.BAD if bad else status.OK, "A sentence.")
    monkeypatch.setattr(status, "check", lambda: [part])
    return [draft.title for draft in parts.parts(at)]


def test_a_part_that_comes_and_goes_is_reported_and_less_and_less_often(
    db: None, redis_db: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, said = clock.now(), []
    for second in range(0, 3_600, 5):  # 35 s bad, 10 s well, for an hour
        at = start + timedelta(seconds=second)
        said += [(second, title) for title in judged(monkeypatch, at, bad=second % 45 < 35)]
    down = [second for second, title in said if title.startswith("Down")]
    assert 2 <= len(down) <= 8, said
    assert down[0] == 30
    assert said[-1][1].startswith("Back") or said[-1][1].startswith("Down again")
    assert judged(monkeypatch, start + timedelta(hours=2), bad=False) in ([], ["Back: stream"])
    late = start + timedelta(hours=4)
    assert judged(monkeypatch, late, bad=True) == []
    assert judged(monkeypatch, late + timedelta(seconds=31), bad=True) == ["Down: stream"], (
        "a new fault, as soon as ever"
    )


def test_short_faults_with_shorter_pauses_are_one_fault_and_rare_ones_are_none(
    db: None, redis_db: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = clock.now()
    rare = [judged(monkeypatch, start + timedelta(seconds=s), bad=s % 60 < 10) for s in range(0, 600, 5)]
    assert not any(rare)
    often = [judged(monkeypatch, start + timedelta(seconds=s), bad=s % 30 < 20, name="beat") for s in range(0, 600, 5)]
    assert ["Down: beat"] in often


def test_a_part_of_which_nothing_is_known_meanwhile_is_not_back(
    db: None, redis_db: object, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    start, there = clock.now(), settings.PRICES_URL
    for second in (0, 31):
        titles = [draft.title for draft in parts.parts(start + timedelta(seconds=second))]
    assert "Down: beat" in titles
    settings.PRICES_URL = "redis://127.0.0.1:1/0"
    for second in (40, 60, 100):
        titles = [draft.title for draft in parts.parts(start + timedelta(seconds=second))]
        assert not any("beat" in title for title in titles), titles
    settings.PRICES_URL = there
    assert not any("beat" in draft.title for draft in parts.parts(start + timedelta(seconds=120)))
    heartbeats.show_life("beat")
    assert "Back: beat" in [draft.title for draft in parts.parts(start + timedelta(seconds=140))]


def test_a_difference_that_is_explained_is_reported_as_such(collecting: dict[str, Any]) -> None:
    known = Discrepancy.objects.create(mode="live", code="cash", key="cash:0", ours="$10", theirs="$9")
    collect.collect()
    short = Discrepancy.objects.create(mode="live", code="cash", key="cash:1", resolved_at=clock.now())
    Discrepancy.objects.filter(pk=known.pk).update(resolved_at=clock.now(), resolution="a deposit")
    collect.collect()
    collect.collect()
    said = list(Notification.objects.order_by("id").values_list("title", "severity"))
    assert [title.split(":")[0] for title, _ in said] == ["Difference with the exchange", "Explained"]
    assert said[-1][1] == Severity.WARNING
    assert short.pk


def test_a_reader_that_fails_holds_up_no_other(
    collecting: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def broken(since: datetime) -> Iterator[Any]:
        raise ValueError("an odd row")

    monkeypatch.setitem(collect.READERS, "position events", broken)
    halt.tighten(state=TradingState.State.HALTED, actor="rita", reason="fire drill")
    collect.collect()
    assert kinds() == ["trading_state"]
    assert "position events" in caplog.text


def test_more_rows_than_are_read_at_once_are_all_reported(
    collecting: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect, "MOST", 3)
    held = collecting["held"]
    made = [PositionEvent(position=held, from_status="x", to_status="aborted", reason=str(n)) for n in range(20)]
    PositionEvent.objects.bulk_create(made)
    PositionEvent.objects.filter(reason__in=map(str, range(20))).update(at=clock.now())
    collect.collect()
    assert kinds() == ["aborted"] * 20


def test_long_keys_that_begin_alike_are_two_things(db: None) -> None:
    say("x" * 300 + "1")
    say("x" * 300 + "2")
    say("x" * 300 + "2")
    assert Notification.objects.count() == 2


def test_what_is_urgent_goes_before_a_hundred_others(db: None, web: Receiver) -> None:
    channel(web)
    for number in range(100):
        say(f"calm {number}", EventKind.OPENED)
    say("grave", EventKind.DISCREPANCY)
    run()
    assert web.messages[0]["title"].startswith(f"{messages.sender()}: title of grave (and")


def test_a_message_that_a_service_never_takes_holds_up_no_other(db: None, web: Receiver) -> None:
    channel(web)
    web.refused = "poison"
    say("poison", EventKind.DISCREPANCY)
    for number in range(3):
        say(f"sound {number}", EventKind.DISCREPANCY)
    at = clock.now()
    for _ in range(6):
        run(at)
        at += timedelta(seconds=61)
    arrived = " ".join(message["message"] for message in web.messages)
    assert all(f"sound {number}" in arrived for number in range(3))
    assert Delivery.objects.filter(status=Delivery.Status.PENDING).count() == 1


@pytest.mark.parametrize(
    ("environment", "host", "sender"),
    [
        ("kalbot", "external-api.kalshi.com", "Kalbot"),
        ("second", "external-api.kalshi.com", "Kalbot (second)"),
        ("kalbot", "external-api.demo.kalshi.co", "Kalbot (demo exchange)"),
        ("second", "127.0.0.1:9", "Kalbot (second, simulator)"),
    ],
)
def test_a_message_says_which_installation_it_is_of(settings: Any, environment: str, host: str, sender: str) -> None:
    settings.KALBOT_ENVIRONMENT, settings.KALSHI_REST_URL = environment, f"https://{host}/trade-api/v2"
    titles = messages.message([Notification(title="halted", severity=Severity.URGENT)])
    assert titles[0] == f"{sender}: halted"


def test_a_long_bundle_is_cut_into_what_the_service_takes(db: None, web: Receiver) -> None:
    address = f"json://127.0.0.1:{web.port}/hook"
    plugin = apprise.Apprise.instantiate(address)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(plugin), "body_maxlen", 500)
        assert service.send(address, "title", "word " * 400, urgent=False) == ""
    assert len(web.messages) > 1
    assert all(len(message["message"]) <= 500 for message in web.messages)


def test_a_message_that_is_cut_says_so() -> None:
    rows = [Notification(title=f"t{n}", body="b" * 400, severity=Severity.INFO, pk=n) for n in range(20)]
    _, text, _ = messages.message(rows)
    assert len(text) <= messages.LONGEST
    assert text.endswith("more in the console, under Notifications)")


def test_a_zone_that_nobody_knows_any_more_is_not_quiet_for_ever() -> None:
    assert quiet.is_quiet(datetime(2030, 6, 1, 3, tzinfo=UTC), "Mars/Olympus", time(22), time(7)) is False


def test_the_plugins_say_no_address_in_any_log(web: Receiver, tmp_path: Path) -> None:
    """A process of its own, with the settings' own logging at its most talkative."""
    web.answer = 500
    code = (
        "import django; django.setup(); from kalbot.console.notify import service, deadman; from django.conf import settings;"
        f"print(service.send('json://user:hunter2hunter2@127.0.0.1:{web.port}/secretpathsecret', 't', 'b', urgent=True));"
        "deadman.status.check = lambda: []; print(deadman.ping())"
    )
    for style in ("text", "json"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "kalbot.settings",
                "LOG_LEVEL": "DEBUG",
                "LOG_FORMAT": style,
                "DEADMAN_URL": f"http://127.0.0.1:{web.port}/0f8fad5b-d9cb-469f",
            },
            capture_output=True,
            text=True,
            check=True,
        )
        said = done.stdout + done.stderr
        assert "failed" in done.stdout, said
        assert not [word for word in ("hunter2", "secretpath", "0f8fad5b") if word in said], said


def test_the_summary_comes_once_a_day_after_seven_and_keeps_the_modes_apart(sample: dict[str, Any]) -> None:
    early, late = datetime(2030, 1, 8, 11, 30, tzinfo=UTC), datetime(2030, 1, 8, 12, 30, tzinfo=UTC)
    assert summaries.due(early) == []
    (draft,) = summaries.due(late)
    assert draft.kind is EventKind.SUMMARY
    assert "2030-01-07" in draft.title
    lines = draft.body.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["Live", "Sim"]
    monday = datetime(2030, 1, 7, 12, 30, tzinfo=UTC)
    assert [one.key.split(":")[0] for one in summaries.due(monday)] == ["daily", "weekly"]


@pytest.mark.parametrize(
    ("day", "hours"), [("2030-03-10", 23), ("2030-11-03", 25), ("2030-06-03", 24)], ids=["spring", "autumn", "summer"]
)
def test_a_day_on_which_clocks_change_is_summed_up_whole_and_once(
    sample: dict[str, Any], settings: Any, day: str, hours: int
) -> None:
    settings.SUMMARY_TIME_ZONE = "America/New_York"
    zone = ZoneInfo("America/New_York")
    begin = datetime.fromisoformat(f"{day}T00:00").replace(tzinfo=zone).astimezone(UTC)
    end = begin + timedelta(hours=hours)
    position = Position.objects.filter(mode="live").first()
    assert position is not None
    for at, day_of in ((begin, 0), (end - timedelta(seconds=1), 0), (begin - timedelta(seconds=1), -1), (end, 1)):
        Position.objects.filter(pk=position.pk).update(status="settled", ended_at=at)
        for offset in (-1, 0, 1):
            morning = (datetime.fromisoformat(f"{day}T08:00") + timedelta(days=offset + 1)).replace(tzinfo=zone)
            (daily,) = [one for one in summaries.due(morning) if one.key.startswith("daily")]
            counted = "Live: nothing ended" not in daily.body and "Live: 0 ended" not in daily.body
            assert counted is (offset == day_of), (at, daily.title, daily.body)


def test_a_summary_names_the_locks_of_now_and_the_denials_of_its_days(sample: dict[str, Any]) -> None:
    now = datetime(2030, 1, 9, 12, 30, tzinfo=UTC)
    Lock.objects.all().delete()
    denied = Denial.objects.first()
    assert denied is not None
    Denial.objects.exclude(pk=denied.pk).delete()
    Denial.objects.update(code="depth")
    Lock.objects.create(code="residual", reason="over since four", until=now - timedelta(hours=3))
    for at, is_named in (
        (datetime(2030, 1, 8, 12, tzinfo=UTC), True),
        (datetime(2030, 1, 9, 12, tzinfo=UTC), False),
        (datetime(2030, 1, 7, 12, tzinfo=UTC), False),
    ):
        Denial.objects.filter(pk=denied.pk).update(at=at)
        with time_machine.travel(now):
            (draft,) = summaries.due(now)
        assert ("Denied most: depth (1)." in draft.body) is is_named, at
        assert "Locks" not in draft.body


def test_the_ping_outward_says_whether_all_is_well(
    db: None, redis_db: object, web: Receiver, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kalbot.console.ops.health import status

    settings.DEADMAN_URL = ""
    assert deadman.ping() == "off"
    settings.DEADMAN_URL = f"http://127.0.0.1:{web.port}/abc"
    monkeypatch.setattr(status, "check", lambda: [status.Part("x", status.OK, "")])
    assert deadman.ping() == "ok"
    monkeypatch.setattr(status, "check", lambda: [status.Part("x", status.BAD, "")])
    assert deadman.ping() == "fail"
    settings.DEADMAN_URL += "/?create=1"
    assert deadman.ping() == "fail"
    assert web.paths == ["/abc", "/abc/fail", "/abc/fail?create=1"]
    web.answer = 500
    assert deadman.ping().startswith("failed")


def test_the_task_collects_and_hands_every_channel_a_task_of_its_own(collecting: dict[str, Any], web: Receiver) -> None:
    from kalbot.common import messages

    made = channel(web)
    PositionEvent.objects.create(position=collecting["held"], from_status="x", to_status="open", reason="r")
    sent: list[tuple[str, tuple[Any, ...]]] = []
    with messages.deliver_to(lambda name, args: sent.append((name, args))):
        assert tasks.notify() == 1
    assert sent == [(messages.DELIVER, (made.pk,))]
    assert tasks.deliver_notifications(made.pk) == 1
    assert len(web.messages) == 1


def form(**values: Any) -> dict[str, Any]:
    inline = {
        f"rules-{name}": value
        for name, value in {"TOTAL_FORMS": 0, "INITIAL_FORMS": 0, "MIN_NUM_FORMS": 0, "MAX_NUM_FORMS": 10}.items()
    }
    plain = {
        "name": "phone",
        "is_active": "on",
        "time_zone": "America/New_York",
        "bundle_seconds": 30,
        "reason": "new phone",
    }
    return {**plain, **inline, **values}


def test_a_risk_manager_makes_a_channel_and_its_address_is_never_shown_again(
    sample: dict[str, Any], login: Any
) -> None:
    client = login("risk manager", "rita")
    address = "json://127.0.0.1:1/verysecretpath"
    answer = client.post(reverse("admin:console_channel_add"), form(new_address=address))
    assert answer.status_code == 302, answer.content.decode()[:2000]
    made = Channel.objects.get()
    assert addresses.decrypt(made.address) == address
    listed = client.get(reverse("admin:console_channel_changelist"))
    assert "has no rule: nothing but tests is sent to it" in listed.content.decode()
    assert "nothing is sent" in listed.content.decode()
    Rule.objects.create(channel=made)
    assert "nothing is sent" not in client.get(reverse("admin:console_channel_changelist")).content.decode()
    Rule.objects.all().delete()
    page = client.get(reverse("admin:console_channel_change", args=[made.pk])).content.decode()
    assert "verysecretpath" not in page
    assert made.address not in page
    change = reverse("admin:console_channel_change", args=[made.pk])
    seen = client.get(change).context["adminform"].form["seen"].value()
    answer = client.post(change, form(name="phone 2", seen=seen))
    assert answer.status_code == 302
    assert addresses.decrypt(Channel.objects.get().address) == address
    acts = list(Act.objects.order_by("id").values_list("name", "actor", "reason"))
    assert acts == [("add_channel", "rita", "new phone"), ("change_channel", "rita", "new phone")]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"new_address": "rubbish"}, "not an address that apprise can read"),
        ({"new_address": ""}, "A new channel needs an address"),
        ({"new_address": "json://x/", "time_zone": "Mars/Olympus"}, "no such time zone"),
        ({"new_address": "json://x/", "quiet_from": "22:00"}, "Quiet hours need both ends"),
        ({"new_address": "json://x/", "reason": ""}, "required"),
    ],
)
def test_a_wrong_channel_is_refused_with_a_sentence(
    sample: dict[str, Any], login: Any, values: dict[str, Any], words: str
) -> None:
    answer = login("risk manager").post(reverse("admin:console_channel_add"), form(**values))
    assert words in answer.content.decode()
    assert not Channel.objects.exists()


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_others_can_neither_make_a_channel_nor_send_a_test(
    sample: dict[str, Any], login: Any, web: Receiver, role: str
) -> None:
    client, made = login(role), channel(web)
    assert client.post(reverse("admin:console_channel_add"), form(new_address="json://x/")).status_code == 403
    assert client.get(reverse("admin:act_test_channel_one", args=[made.pk])).status_code == 403


def test_the_send_test_button_sends_at_once_and_says_what_failed(
    sample: dict[str, Any], login: Any, web: Receiver
) -> None:
    client, made = login("risk manager"), channel(web)
    address = reverse("admin:act_test_channel_one", args=[made.pk])

    def press() -> Any:
        token = client.get(address).context["form"]["token"].value()
        return client.post(address, {"token": token, "reason": "does it arrive"}, headers={"HX-Request": "true"})

    assert press().headers["HX-Redirect"]
    assert web.messages[0]["title"].startswith(f"{messages.sender()}: test")
    web.answer = 403
    assert "could not be sent" in press().content.decode()
    assert Channel.objects.get().last_error
