"""Families of registered forms as rows: grouped by what they are about, refused by name, and judged like any other event."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from kalbot.common import clock
from markets.catalogue import families
from markets.catalogue.family_rows import Listed
from markets.models import Certificate, ContractTerms, Event, Market, RefusedFamily, Series
from markets.terms import certificates
from markets.terms.facts import EventFacts
from markets.terms.registry import changes
from strategies.catalogue import universe
from strategies.cycle import cycle, event_cache
from strategies.models import Decision
from strategies.screening import screening
from tests.markets.terms.test_family_forms import LEAVES, SPREAD, SPREADS, WINNER, WINS, dated, game, noted
from tests.markets.terms.test_level_changes import DECIDES, LEVEL, NOTE, RECORDED, decision, level
from tests.strategies import world
from tests.strategies.families import coins

NOW = clock.now()
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_db")]


@pytest.fixture(autouse=True)
def catalogue(settings: Any) -> None:
    settings.KALSHI_REST_URL = "http://127.0.0.1:9/trade-api/v2"
    settings.KALSHI_WS_URL = "ws://127.0.0.1:9/trade-api/ws/v2"
    event_cache.forget()


def register(series: list[str], forms: list[str], **columns: Any) -> ContractTerms:
    content = {"no_data": "all_no", "common_determination": "One outcome settles every market.", "family_forms": forms}
    changes.check_content(content)
    return ContractTerms.objects.create(
        exchange="simulator",
        url=coins.URL,
        series_tickers=series,
        status="approved",
        approved_sha256="a" * 64,
        **(content | columns),
    )


def add(facts: EventFacts, quotes: list[tuple[int, int]], *, hours: list[int] | None = None) -> None:
    """The event in the catalogue and in the live books, its markets closing after so many hours each."""
    now = NOW
    Series.objects.get_or_create(
        ticker=facts.series_ticker,
        defaults={"category": "Politics", "fee_type": "quadratic", "contract_terms_url": coins.document()},
    )
    event = Event.objects.create(
        ticker=facts.event_ticker,
        series_id=facts.series_ticker,
        title=facts.event_ticker,
        mutually_exclusive=facts.mutually_exclusive,
        close_time=now + timedelta(hours=1),
        market_count=len(facts.markets),
    )
    closes = [now + timedelta(hours=n) for n in hours or [1] * len(facts.markets)]
    coins.list_markets(event, facts, closes, quotes)
    rows = zip(facts.markets, quotes, strict=True)
    world.publish(
        facts.event_ticker,
        {m.ticker: (((bid * 100, 10_000),), ((10_000 - ask * 100, 10_000),)) for m, (bid, ask) in rows},
    )
    certificates.refresh([facts.event_ticker])


def test_a_date_ladder_is_judged_and_its_implication_is_bought() -> None:
    register(["KXLEAVE"], [LEAVES])
    ladder = dated("Dec 1, 2026", "Jan 1, 2027", "Feb 1, 2027")
    add(ladder, [(50, 53), (20, 23), (60, 64)], hours=[24, 48, 72])
    assert families.refresh().families == ["FAMILY-KXLEAVE-A"]
    view = universe.load()["FAMILY-KXLEAVE-A"]
    assert (view.grade.value, view.oddity) == ("guaranteed", "")
    world.add_profile(kinds=["family"], min_seconds_to_close=0)
    world.add_scan()
    screening.screen()
    assert cycle.run(cycle.NUDGE, ["KXLEAVE-A"]).decisions == 1
    decision = Decision.objects.get()
    assert {(leg["ticker"], leg["side"]) for leg in decision.legs} == {("KXLEAVE-A-0", "no"), ("KXLEAVE-A-1", "yes")}
    assert decision.guaranteed
    Market.objects.filter(pk="KXLEAVE-A-0").update(status="finalized", result="no")
    certificates.refresh(["KXLEAVE-A"])
    families.refresh()
    assert set(Certificate.objects.get(event="FAMILY-KXLEAVE-A", status="granted").states["atoms"]["spans"]) == {
        "KXLEAVE-A-1",
        "KXLEAVE-A-2",
    }
    assert universe.load()["FAMILY-KXLEAVE-A"].oddity == ""


@pytest.mark.parametrize("note", [NOTE, RECORDED])
def test_a_rate_decision_is_bought_beside_the_rate_and_names_the_clause_that_is_missing(note: str) -> None:
    entry = register(
        ["KXFED", "KXFEDDECISION"],
        [DECIDES, LEVEL],
        levels_before=["Dec 9, 2026: 3.75"],
        common_determination="It counts from 3.75.",
    )
    add(noted(decision(), note), [(1, 2), (10, 12), (50, 53), (34, 36), (1, 2)])
    add(level(), [(96, 98), (86, 89), (20, 22), (1, 2)])
    family = "FAMILY-KXFED-26DEC-KXFEDDECISION-26DEC"
    assert families.refresh().families == [family]
    assert any("3.75" in line for line in Certificate.objects.get(event=family, status="granted").evidence)
    out = io.StringIO()
    call_command("families", "--atoms", "KXFED-26DEC", stdout=out)
    assert ("wins whatever the value" in out.getvalue()) is (note is RECORDED)
    world.add_profile(kinds=["family"], min_seconds_to_close=0)
    world.add_scan()
    screening.screen()
    assert cycle.run(cycle.NUDGE, ["KXFED-26DEC"]).decisions == 1
    legs = {(leg["ticker"], leg["side"]) for leg in Decision.objects.get().legs}
    assert {("KXFED-26DEC-T3.75", "yes"), ("KXFEDDECISION-26DEC-3", "no")} <= legs, (
        "above 3.75 in any case, else no hike of 25"
    )
    ContractTerms.objects.filter(pk=entry.pk).update(levels_before=[])
    families.refresh()
    assert not Event.objects.get(pk=family).is_open
    refused = RefusedFamily.objects.get(series_tickers="KXFEDDECISION")
    assert (refused.code, "from which level" in refused.sentence) == ("level_missing", True)
    ContractTerms.objects.all().delete()
    families.refresh()
    assert RefusedFamily.objects.get(series_tickers="KXFED + KXFEDDECISION").code == "terms_missing"


def test_games_of_one_moment_are_families_each_by_itself() -> None:
    register(["KXGAME", "KXSPREAD"], [WINS, SPREAD])
    add(WINNER, [(60, 62), (36, 38)])
    add(SPREADS, [(40, 42), (10, 12), (20, 22)])
    later = game("KXGAME-B", (WINS, "Alpha", None), (WINS, "Beta", None), day="Dec 6, 2026", exclusive=True)
    add(later, [(60, 62), (36, 38)])
    spreads = game("KXSPREAD-B", (SPREAD, "Beta", "3.5"), day="Dec 6, 2026")
    add(spreads, [(40, 42)])
    assert sorted(families.refresh().families) == ["FAMILY-KXGAME-A-KXSPREAD-A", "FAMILY-KXGAME-B-KXSPREAD-B"]


@pytest.mark.parametrize(
    ("change", "series", "code"),
    [
        (lambda: ContractTerms.objects.update(family_forms=[WINS]), "KXSPREAD", "rules_unread"),
        (lambda: ContractTerms.objects.update(common_determination=""), "KXGAME + KXSPREAD", "common_determination"),
        (lambda: ContractTerms.objects.update(no_data="last_price"), "KXGAME + KXSPREAD", "state_not_covered"),
        (
            lambda: Market.objects.filter(event="KXSPREAD-A").update(close_time=clock.now() + timedelta(hours=9)),
            "KXGAME + KXSPREAD",
            "close_differs",
        ),
        (
            lambda: Event.objects.filter(pk="KXSPREAD-A").update(mutually_exclusive=True),
            "KXSPREAD",
            "overlap",
        ),
    ],
    ids=["form", "clause", "void", "close", "exclusive"],
)
def test_what_stands_against_a_family_is_said_by_series(change: Callable[[], Any], series: str, code: str) -> None:
    register(["KXGAME", "KXSPREAD"], [WINS, SPREAD])
    add(WINNER, [(60, 62), (36, 38)])
    add(SPREADS, [(40, 42), (10, 12), (20, 22)])
    change()
    assert "FAMILY-KXGAME-A-KXSPREAD-A" not in families.refresh().families
    assert RefusedFamily.objects.get(series_tickers=series).code == code


def test_what_nobody_registered_is_named_so_that_a_person_can() -> None:
    add(dated("Dec 1, 2026", "Jan 1, 2027"), [(50, 53), (60, 63)], hours=[24, 48])
    add(game("KXGAME-26NOV29ALPBET", (WINS, "Alpha", None), (WINS, "Beta", None), exclusive=True), [(60, 62), (36, 38)])
    add(game("KXSPREAD-26NOV29ALPBET", (SPREAD, "Alpha", "3.5")), [(40, 42)])
    add(game("KXOTHER-26NOV29", (WINS, "Alpha", None), exclusive=True), [(60, 62)])
    assert families.refresh().families == []
    assert dict(RefusedFamily.objects.values_list("series_tickers", "code")) == {
        "KXLEAVE": "terms_missing",
        "KXGAME + KXSPREAD": "terms_missing",
    }
    register(["KXLEAVE", "KXGAME", "KXSPREAD"], [])
    since = RefusedFamily.objects.get(series_tickers="KXLEAVE").since
    families.refresh()
    assert set(RefusedFamily.objects.values_list("code", flat=True)) == {"forms_missing"}
    assert RefusedFamily.objects.get(series_tickers="KXLEAVE").since > since


@pytest.mark.shared
def test_games_that_others_collected_are_candidates_by_their_tickers_and_days_are_not(shared: Path) -> None:
    with gzip.open(shared / "recorded2/reference/relations/game_clusters.csv.gz", "rt", encoding="utf-8") as file:
        keys = [row["game_key"] for row in csv.DictReader(file)]
    strange = [key for key in keys if families.GAME.fullmatch(f"-{key}") is None]
    assert (len(keys), strange) == (539, ["27JAN01", "27JUL01", "26DEC01"])
    assert [
        key for key in ("-26NOV29", "-26NOV2917", "-26NOV291530", "-26NOV29-T50") if families.GAME.fullmatch(key)
    ] == []


@pytest.mark.shared
def test_implications_that_others_call_broken_are_no_candidates(shared: Path) -> None:
    """A margin of votes and who holds the seat: 425 pairs of two series, each with a way out (an oath not taken, a party left)."""
    with gzip.open(shared / "recorded2/reference/relations/relation_catalog.csv.gz", "rt", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["family"] == "X-margin-winner"]
    moment = datetime(2026, 11, 3, tzinfo=UTC)
    for row in rows:
        margins, seat = (
            Listed(
                ticker,
                ticker.split("-")[0],
                "",
                "",
                0,
                moment,
                moment,
                (moment, moment),
                "",
                0,
                0,
                9,
                n == 0,
                "",
                False,
                True,
            )
            for n, ticker in enumerate(row["members"].split(" | "))
        )
        assert families._candidates([margins, seat], {}) == [], row["members"]
    assert (len(rows), all("BROKEN" in row["caveat"] for row in rows)) == (425, True)


def test_a_form_that_is_none_is_refused_when_it_is_registered() -> None:
    with pytest.raises(changes.TermsError, match="what makes it Yes"):
        changes.check_content({"family_forms": [LEAVES.replace("leaves", "does not leave")]})


def test_no_on_what_wins_in_a_case_of_its_own_is_bought_beside_what_pays_then() -> None:
    """NO on unchanged and NO on the hike: at any level one of them pays, and where unchanged wins whatever the level the other does. No
    run of atoms says so, and the prices of all other legs agree."""
    notes = {"common_determination": "It counts from 3.75.", "levels_before": ["Dec 9, 2026: 3.75"]}
    register(["KXFED", "KXFEDDECISION"], [DECIDES, LEVEL], **notes)
    add(noted(decision(), RECORDED), [(1, 2), (1, 2), (60, 62), (45, 47), (1, 2)])
    add(level(), [(90, 99), (85, 99), (40, 60), (1, 9)])
    assert families.refresh().families
    world.add_profile(kinds=["family"], min_seconds_to_close=0)
    world.add_scan()
    screening.screen()
    assert cycle.run(cycle.NUDGE, ["KXFED-26DEC"]).decisions == 1
    bought = Decision.objects.get()
    legs = {(leg["ticker"], leg["side"]) for leg in bought.legs}
    assert {("KXFEDDECISION-26DEC-2", "no"), ("KXFEDDECISION-26DEC-3", "no")} <= legs
    assert bought.guaranteed
