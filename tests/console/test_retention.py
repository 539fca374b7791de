"""Nothing grows without an end, and nothing that is needed goes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from django.apps import apps
from django.contrib.sessions.models import Session

from backtest.models import BacktestRun, Study
from kalbot.common import cache, clock
from kalbot.console import tasks
from kalbot.console.ops.retention import price_keys, retention, settled
from markets.models import Certificate, Event, Market, TapeGap
from markets.prices import EVENT_KEY, QUOTE_KEY, Quote
from strategies.models import Decision, Mode
from trading.models import Discrepancy, Reconciliation


def publish(keys: list[str], receive_ms: int) -> None:
    quote = msgspec.msgpack.encode(Quote("e", 1, 2, 1, 1, None, 0, receive_ms))
    for key in keys:
        cache.prices().set(key, quote)


def test_prices_of_settled_markets_are_forgotten(sample: dict[str, Any]) -> None:
    for pattern in (f"{EVENT_KEY}*", f"{QUOTE_KEY}*"):
        for key in cache.prices().scan_iter(pattern):
            cache.prices().delete(key)
    event = Event.objects.filter(is_open=True).first()
    assert event is not None
    open_, over = Market.objects.filter(event=event)[:2]
    Market.objects.filter(pk=over.pk).update(status="finalized")
    over_event = Event.objects.exclude(pk=event.pk).first()
    assert over_event is not None
    Event.objects.filter(pk=over_event.pk).update(is_open=False)
    names = [QUOTE_KEY + open_.pk, QUOTE_KEY + over.pk, QUOTE_KEY + "KXOLD-1", EVENT_KEY + event.pk]
    publish([*names, EVENT_KEY + over_event.pk, "another:px:q:KXOLD-1"], clock.now_ms() - 2 * price_keys.UNKNOWN_MS)
    assert price_keys.forget_settled() == 3
    left = {key.decode() for key in cache.prices().scan_iter("*px:[qe]:*")}
    assert left == {QUOTE_KEY + open_.pk, EVENT_KEY + event.pk, "another:px:q:KXOLD-1"}


def test_old_comparisons_and_sessions_go_but_the_last_good_one_and_those_with_differences_stay(
    sample: dict[str, Any],
) -> None:
    Discrepancy.objects.all().delete()
    Reconciliation.objects.all().delete()
    old = clock.now() - timedelta(days=40)
    rows = [
        Reconciliation.objects.create(started_at=old + timedelta(minutes=n), mode=Mode.LIVE, trigger="t")
        for n in range(4)
    ]
    Discrepancy.objects.create(code=Discrepancy.Code.CASH, key="k", mode=Mode.LIVE, reconciliation=rows[0])
    Session.objects.create(session_key="gone", session_data="", expire_date=old)
    Session.objects.create(session_key="here", session_data="", expire_date=clock.now() + timedelta(days=1))
    tasks.prune()
    assert set(Reconciliation.objects.values_list("pk", flat=True)) == {rows[0].pk, rows[3].pk}
    assert list(Session.objects.filter(session_key__in=["gone", "here"]).values_list("pk", flat=True)) == ["here"]


def test_an_event_that_ended_a_month_ago_keeps_its_results_and_one_short_certificate(sample: dict[str, Any]) -> None:
    traded = Decision.objects.values_list("event_id", flat=True)[0]
    events = [traded, "KXOLD-1", "KXOLD-2", "KXOLD-3"]
    for name in events[1:]:
        Event.objects.create(ticker=name, series_id=Event.objects.get(pk=traded).series_id)
        Market.objects.create(ticker=f"{name}-0", event_id=name, status="finalized")
    Certificate.objects.filter(event__in=events[1:]).delete()
    Certificate.objects.filter(event=traded).update(evidence=["e"])
    kept = Certificate.objects.filter(event=traded).count()
    for event in events[1:]:
        for version, status in ((1, "void"), (2, "granted")):
            Certificate.objects.create(
                event_id=event, version=version, status=status, rules_hash="h", evidence=["e"], states={"a": 1}
            )
    _, ended, young, revoked = events
    Certificate.objects.filter(event=revoked, version=2).update(status="revoked", reason="a person's word")
    Event.objects.filter(pk__in=events).update(is_open=False, content_hash="c", rules_hash="h")
    Market.objects.filter(event__in=events).update(rules_primary="long", rules_secondary="longer", content_hash="c")
    old = clock.now() - timedelta(days=31)
    Event.objects.filter(pk__in=[traded, ended, revoked]).update(updated_at=old)

    assert tasks.prune()["texts of ended events"] == 2
    texts = dict(Market.objects.filter(event__in=events).values_list("event", "rules_primary").distinct())
    assert texts == {traded: "long", ended: "", young: "long", revoked: ""}
    (left,) = Certificate.objects.filter(event=ended)
    assert (left.version, left.status, left.evidence, left.states) == (2, "void", [], {})
    assert (left.reason, left.ended_at is not None) == ("It was granted until the event had ended.", True)
    assert set(Certificate.objects.filter(event=revoked).values_list("status", "reason")) >= {
        ("revoked", "a person's word")
    }
    assert Certificate.objects.filter(event__in=[traded, young]).exclude(evidence=[]).count() == kept + 2
    assert tasks.prune()["texts of ended events"] == 0


def test_an_ended_event_is_forgotten_after_a_year_unless_it_was_traded(sample: dict[str, Any]) -> None:
    traded = Decision.objects.values_list("event_id", flat=True)[0]
    other = Event.objects.exclude(pk__in=Decision.objects.values("event")).values_list("pk", flat=True)[0]
    old = clock.now() - timedelta(days=401)
    Event.objects.filter(pk__in=[traded, other]).update(is_open=False, updated_at=old)
    tasks.prune()
    assert set(Event.objects.filter(pk__in=[traded, other]).values_list("pk", flat=True)) == {traded}
    assert not Market.objects.filter(event=other).exists()


def test_an_event_that_is_listed_again_is_written_in_full(sample: dict[str, Any]) -> None:
    """The scan skips rows whose hash it knows: a shortened one has none."""
    event = Event.objects.exclude(pk__in=Decision.objects.values("event"))[0]
    Event.objects.filter(pk=event.pk).update(
        is_open=False, content_hash="c", rules_hash="h", updated_at=clock.now() - timedelta(days=31)
    )
    settled.shorten()
    event.refresh_from_db()
    hashes = set(Market.objects.filter(event=event).values_list("content_hash", flat=True))
    assert (event.content_hash, event.rules_hash, hashes) == ("", "", {""})


def test_every_table_has_an_end_or_a_reason_why_not() -> None:
    ends = {rows.model._meta.label for rows in retention.old_rows().values()}
    assert ends & retention.KEPT.keys() == set()
    assert ends | retention.KEPT.keys() == {model._meta.label for model in apps.get_models()}


def test_old_runs_studies_and_gaps_go_but_not_what_a_later_run_is_compared_with(db: None) -> None:
    old = clock.now() - timedelta(days=retention.YEAR_DAYS + 1)
    moments = {"first_at": old, "last_at": old}
    _, compared, base, newer, part = (
        BacktestRun.objects.create(name=name, profile="p", tape="t", **moments)
        for name in ("alone", "compared", "base", "newer", "part")
    )
    old_study, young_study = Study.objects.create(kind="sweep"), Study.objects.create(kind="sensitivity", of=base)
    BacktestRun.objects.filter(pk=newer.pk).update(before=compared)
    BacktestRun.objects.filter(pk=part.pk).update(study=old_study)
    BacktestRun.objects.exclude(pk=newer.pk).update(created_at=old)
    Study.objects.filter(pk=old_study.pk).update(created_at=old)
    for ended_at in (old, clock.now(), None):
        TapeGap.objects.create(writer="w", began_at=old, ended_at=ended_at, reason="r")
    tasks.prune()
    assert set(BacktestRun.objects.values_list("name", flat=True)) == {"compared", "base", "newer"}
    assert list(Study.objects.all()) == [young_study]
    assert TapeGap.objects.count() == 2
