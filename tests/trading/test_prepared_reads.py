"""What a cycle reads by statements that are compiled once is what the ORM reads, on random rows."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.sql.compiler import SQLCompiler
from django.test.utils import CaptureQueriesContext

from kalbot.common import clock
from kalbot.common.db import pipeline
from kalbot.common.db.prepared import Among, Param
from kalbot.common.db.prepared_columns import PreparedColumns
from markets import selectors
from markets.models import Certificate, Event, FamilyMember, FeeChange, Market, Series
from strategies.catalogue import family_views, few, universe, universe_rows
from strategies.cycle import candidates, claims, cycle, decisions, holdings
from strategies.models import Decision, ProbabilityCorrection, Profile, SettlingTime, Verdict
from strategies.screening import screening
from tests.strategies.world import add_event, add_profile, books_of, publish
from tests.trading import world
from trading.models import ACTIVE, TERMINAL, WORKING, Denial, Position, PositionStatus

pytestmark = pytest.mark.django_db(transaction=True)
SEEDS = (1, 2, 3)
STATEMENTS = {"sim": 24, "live": 30}
"""Of a cycle for one event on which one profile decides, its own row and the verdict's among them. A live profile shares an account."""
MESSAGES = {"sim": 7, "live": 8}
"""The same where the database takes several statements in one."""


def _events(rng: random.Random) -> list[str]:
    for number in range(12):
        event = add_event(f"E'{number}", [(4_000, 4_500)] * rng.randint(2, 4), series=f"S{number % 3}")
        Event.objects.filter(pk=event.pk).update(
            is_open=rng.random() < 0.8, is_family=rng.random() < 0.1, volume=rng.randint(0, 99)
        )
        if rng.random() < 0.5:
            changes: list[dict[str, Any]] = [
                {"rules_hash": "old"},
                {"status": "void"},
                {"status": "revoked"},
                {"reading": 1},
            ]
            changed = rng.choice(changes)
            Certificate.objects.filter(event=event).update(**changed)
        Market.objects.filter(event=event).filter(ticker__endswith="0").update(
            status=rng.choice(["active", "absent", "finalized"]),
            expected_expiration_time=rng.choice([None, clock.now() + timedelta(days=5, microseconds=7)]),
            yes_bid=rng.choice([None, 300]),
            price_bands=rng.choice([[[0, 10_000, 100]], [[0, 1_000, 10], [1_000, 10_000, 100]]]),
        )
    for series in Series.objects.order_by("pk"):
        if rng.random() < 0.6:
            late = rng.randint(-900, 9_000)
            SettlingTime.objects.create(
                series=series, markets=5, late_seconds=late, latest_seconds=late, at=clock.now()
            )
        for number in range(rng.randint(0, 2)):
            FeeChange.objects.create(
                change_id=f"{series.pk}-{number}",
                series=series,
                fee_type="quadratic",
                fee_multiplier_e6=rng.choice([None, 500_000]),
                scheduled_at=clock.now() + timedelta(hours=rng.choice([-2, -1, 1]), seconds=number),
            )
    ProbabilityCorrection.objects.all().delete()
    tickers = list(Event.objects.order_by("pk").values_list("pk", flat=True))
    for family in Event.objects.filter(is_family=True):
        members = rng.sample([one for one in tickers if one != family.pk], 2)
        FamilyMember.objects.bulk_create(FamilyMember(family=family, event_id=one) for one in members)
    return tickers


def _decisions(rng: random.Random, tickers: list[str]) -> list[Profile]:
    live = add_profile("live", mode="live")
    profiles = [live, add_profile("b"), add_profile("a"), add_profile("off", is_active=False)]
    profiles.append(add_profile("twin", shadow_of=live))
    for profile in profiles:
        for ticker in rng.sample(tickers, 6):
            event = Event.objects.get(pk=ticker)
            markets = dict.fromkeys(event.markets.order_by("pk").values_list("pk", flat=True), 2_000)
            quote = rng.choice([{}, {}, {"way": "join", "leg": "", "until_ms": 7}])
            decision = world.decide(profile, event, markets, rng.randint(100, 900), kind="coverage", quote=quote)
            ago = timedelta(seconds=rng.choice([1, 5, 100, 4_000, 90_000]))
            Decision.objects.filter(pk=decision.pk).update(created_at=clock.now() - ago)
            became = rng.choice(["nothing", "denial", "position", "position"])
            if became == "denial":
                Denial.objects.create(decision=decision, code="halted")
            elif became == "position":
                status = rng.choice(PositionStatus.values)
                ended = clock.now() - timedelta(seconds=rng.choice([1, 500])) if status in TERMINAL else None
                of = {"profile": profile, "mode": profile.mode, "event": event, "kind": "coverage", "target_count": 900}
                money = {"cost": rng.randint(0, 999), "reserved": rng.randint(0, 999)}
                Position.objects.create(decision=decision, status=status, ended_at=ended, **of, **money)
        for ticker in rng.sample(tickers, 5):
            status = rng.choice(Verdict.Status.values)
            Verdict.objects.create(profile=profile, event_id=ticker, status=status, since=clock.now(), constraint="")
    return profiles


def _rows_by_orm(deep: bool) -> universe_rows.Rows:
    markets, certificates, events = universe_rows._queries()
    granted = certificates.filter(status=Certificate.Status.GRANTED)
    return universe_rows.whole(deep)._replace(
        markets=markets.values(*universe_rows._market_columns(deep)),
        certificates=granted.values(*universe_rows._certificate_columns(deep)),
        events=events.values(*universe_rows._EVENT_COLUMNS),
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_views_of_some_events_and_of_the_whole_catalogue_are_those_of_the_orm(seed: int) -> None:
    rng = random.Random(seed)
    tickers = _events(rng)
    for deep in (False, True):
        every = universe.views_of(_rows_by_orm(deep), deep=deep)
        whole = universe.views_of(universe_rows.whole(deep), deep=deep)
        assert (whole, list(whole)) == (every, list(every))
        for count in (0, 1, 5, 12):
            some = [*rng.sample(tickers, count), "NONE", "'; --"]
            found = universe.views_of(universe_rows.some(some, deep), deep=deep)
            assert found == {ticker: view for ticker, view in every.items() if ticker in some}
            assert list(found) == [ticker for ticker in every if ticker in found]
    for ticker in tickers:
        assert few.fetching([ticker]).now() in ({}, universe.load([ticker], deep=True))
    Event.objects.filter(is_family=True).delete()
    assert few.fetching([*tickers[3:], "NONE"]).now() == universe.load(tickers[3:], deep=True) != {}


def test_what_is_streamed_is_all_of_it_a_few_rows_at_a_time() -> None:
    for number in range(5):
        add_event(f"E{number}", [(4_000, 4_500)] * 2)
    query = PreparedColumns(
        lambda: Market.objects.order_by("ticker").values_list("ticker", "close_time", "price_bands")
    )
    parts = list(query.streamed(3))
    assert [len(part) for part in parts] == [3, 3, 3, 1]
    assert [row for part in parts for row in part] == query.rows() == list(query._build())


def _open(profile: Profile, since: datetime) -> QuerySet[Decision]:
    """Neither denied nor over; what waits was decided after ``since``."""
    waits = Q(position__isnull=True, denial__isnull=True, created_at__gt=since)
    return Decision.objects.filter(waits | Q(position__status__in=ACTIVE), profile=profile)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_blocks_a_profile_is_what_its_rows_say(seed: int) -> None:
    rng = random.Random(seed)
    tickers = _events(rng)
    now = clock.now()
    for profile in _decisions(rng, tickers):
        since, recent = now - timedelta(seconds=200), now - holdings.TAKEN_UP_WITHIN
        positions = holdings.current()
        of = {"profile": profile.pk}
        taken = Decision.objects.filter(created_at__gt=since, profile=profile)
        for query, values, rows in (
            (candidates._TAKEN, of | {"since": since}, taken),
            (candidates._ENDED, of | {"since": since}, positions.ended_since(profile, since)),
            (candidates._OPEN, of | {"since": recent}, _open(profile, recent)),
        ):
            assert sorted(event for (event,) in query.rows(**values)) == sorted(rows.values_list("event_id", flat=True))
        at_work = Q(position__isnull=True) | Q(position__status__in=WORKING)
        totals = _open(profile, recent).aggregate(
            count=Count("pk"),
            quotes=Count("pk", filter=~Q(quote={}) & at_work),
            waiting=Sum("max_cost", filter=Q(position__isnull=True), default=0),
            committed=Sum(F("position__cost") + F("position__reserved") - F("position__returned"), default=0),
        )
        found = positions.committed(profile).now()
        assert found[:3] == (totals["count"], totals["waiting"] + totals["committed"], totals["quotes"])
        for event in tickers:
            is_open = _open(profile, recent).filter(event_id=event).exists()
            assert bool(decisions._OPEN.rows(profile=profile.pk, event=event, since=recent)) is is_open


def test_what_blocks_a_profile_is_not_searched_among_what_is_over() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("Postgres decides by how many rows there are")
    profile, since = add_profile("a"), clock.now()
    of = {"profile": profile.pk, "since": since}
    queries = [(candidates._TAKEN, of), (candidates._ENDED, of), (candidates._OPEN, of)]
    for query, values in (*queries, *holdings.current().committed(profile).queries):
        reading = query.statement(**values)
        (plan,) = pipeline.rows_of(reading._replace(sql=f"EXPLAIN QUERY PLAN {reading.sql}"))
        for line in (str(row[-1]) for row in plan):
            # by a key, or by the profile with what its rows are found by beside it
            assert not line.startswith("SCAN"), line
            assert "(profile_id=?)" not in line or "trading_profilebalance" in line, line


@pytest.mark.parametrize("seed", SEEDS)
def test_who_is_interested_and_in_what_is_what_the_verdicts_say(seed: int) -> None:
    rng = random.Random(seed)
    tickers = _events(rng)
    profiles = _decisions(rng, tickers)
    alone = Profile.objects.filter(Q(shadow_of=None) | Q(shadow_of__is_active=False), is_active=True).order_by("name")
    assert [row.__dict__ for row in map(_plain, screening.active_profiles())] == [
        row.__dict__ for row in map(_plain, alone)
    ]
    for count in (0, 1, 4):
        some = rng.sample(tickers, count)
        rows = Verdict.objects.filter(event__in=some, status="candidate")
        wanted = [one.name for one in alone if rows.filter(profile=one).exists()]
        assert [one.name for one in screening.interested(some).now()] == wanted
        listed = candidates.of_events(some).now()
        for profile in profiles:
            found = listed[profile.pk].by_event.values() if profile.pk in listed else []
            assert {c.event: c.verdict_id for c in found} == dict(
                rows.filter(profile=profile).values_list("event_id", "pk")
            )
        families = set(
            FamilyMember.objects.filter(event__in=some, family__is_open=True).values_list("family_id", flat=True)
        )
        assert selectors.with_families(some) == [*some, *sorted(families - set(some))]
        touched = set(
            FamilyMember.objects.filter(Q(family__in=some) | Q(event__in=some)).values_list("family_id", flat=True)
        )
        beside = {
            event
            for family in touched
            for event in (family, *FamilyMember.objects.filter(family=family).values_list("event_id", flat=True))
            if family in some or event == family
        }
        assert selectors.overlapping(some).keys() >= beside - set(some)
        apart = selectors.families_of(some).now().apart
        assert apart == (not touched)
        for profile in profiles:
            all_blocked = candidates.exposure(profile, clock.now()).blocked
            narrowed = candidates.exposure(profile, clock.now(), apart=apart).blocked
            assert [narrowed.get(one) for one in some] == [all_blocked.get(one) for one in some]
    last = claims._LAST.rows(profiles=[one.pk for one in profiles], since=clock.now() - timedelta(seconds=50))
    assert dict(last) == {
        one.pk: at
        for one in profiles
        if (at := Decision.objects.filter(profile=one).latest("created_at").created_at)
        > clock.now() - timedelta(seconds=50)
    }


def _plain(row: Profile) -> Profile:
    row.__dict__.pop("_state")
    return row


@pytest.mark.parametrize("named", [[], ["E1"], ["E1", "it's; %s \\", 'é{,}"', "E1"]])
def test_a_list_is_one_value_of_a_statement(named: list[str]) -> None:
    add_event("E1", [(4_000, 4_500)] * 2)
    add_event('é{,}"', [(4_000, 4_500)] * 2)
    rows = PreparedColumns(lambda: Event.objects.filter(pk__in=_LISTED).order_by("pk").values_list("pk", "close_time"))
    assert rows.rows(events=named) == list(
        Event.objects.filter(pk__in=named).order_by("pk").values_list("pk", "close_time")
    )
    assert rows.named(rows.rows(events=named)) == list(
        Event.objects.filter(pk__in=named).order_by("pk").values("pk", "close_time")
    )


_LISTED = Among("events", Event._meta.pk)


def test_a_moment_that_would_stay_that_of_the_first_use_is_refused() -> None:
    """Whoever builds a query by a function that reads the clock does not see it."""
    query = PreparedColumns(lambda: Position.objects.filter(opened_at__lt=clock.now()).order_by().values_list("pk"))
    with pytest.raises(TypeError, match="a moment is a Param"):
        query.rows()


def test_a_value_that_is_not_given_and_a_query_without_names_are_refused() -> None:
    with pytest.raises(KeyError):
        PreparedColumns(lambda: Event.objects.filter(pk=Param("one", Event._meta.pk)).values_list("pk")).rows()
    with pytest.raises(TypeError):
        PreparedColumns(lambda: Event.objects.order_by("pk")).rows()


@pytest.mark.parametrize("mode", ["sim", "live"])
def test_a_cycle_for_one_event_takes_few_statements(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    add_profile("careful", mode=mode)
    for ticker in ("E1", "E2"):
        event = add_event(ticker, [(2_000, 3_600)] * 3, certified=True)
        Verdict.objects.create(profile=Profile.objects.get(), event=event, status="candidate", since=clock.now())
        publish(ticker, books_of(ticker, [(2_000, 3_600)] * 3))
    assert cycle.run().candidates == 2
    for ticker in ("E1", "E2"):
        publish(ticker, books_of(ticker, [(2_000, 2_700)] * 3))
    assert cycle.run(cycle.NUDGE, ["E1"]).decisions == 1
    compiled: list[str] = []
    as_sql = SQLCompiler.as_sql

    def built(compiler: Any, *args: Any, **options: Any) -> Any:
        compiled.append(compiler.query.model.__name__)
        return as_sql(compiler, *args, **options)

    monkeypatch.setattr(SQLCompiler, "as_sql", built)
    with CaptureQueriesContext(connection) as seen:
        assert cycle.run(cycle.NUDGE, ["E2"]).decisions == 1
    assert compiled == [], "each statement is compiled once a process"
    statements = [one["sql"] for one in seen if not one["sql"].startswith(("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE"))]
    assert len(statements) <= (MESSAGES if connection.vendor == "postgresql" else STATEMENTS)[mode], statements


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="Postgres decides by its statistics")
def test_what_is_of_an_event_is_found_by_it_and_not_by_a_status_that_thousands_share() -> None:
    tickers = {"tickers": ["E1"]}
    for query, values in (
        (candidates._OF_EVENTS, {"events": ["E1"]}),
        (universe_rows._DEEP[1], tickers),
        (family_views._OF, tickers),
    ):
        statement = query.statement(**values)
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement.sql}", statement.values)
            plan = [str(row[-1]) for row in cursor.fetchall()]
        assert any("event_id=?" in step for step in plan), plan
        assert not any("status" in step for step in plan), plan
