"""Every page and list of the admin answers, for whoever may see it."""

from __future__ import annotations

import html
import re
from typing import Any, Final

import pytest
import sample_rest
from django.contrib import admin
from django.urls import reverse

from markets.models import Event
from strategies.catalogue import live_quotes
from strategies.models import Profile
from triage.models import Assessment, PointForecast, Recommendation, SourceForecast

pytestmark = pytest.mark.alike

RAW: Final = [
    re.compile(r"[$][\d,]+[.]\d(\d\d)*(?!\d)"),
    re.compile(r"(?<![\d.])\d+[.]\d{7,}"),
    re.compile(r"\b(None|True|False|null|NaN)\b"),
    re.compile(r"object at 0x|<function|\w+_(ppm|e6)\b"),
    re.compile(r"(?<![\w./:=-])[a-z]+(_[a-z0-9]+)+\b(?![.(=])"),
]
"""Amounts with one, three or five decimals; all digits of a float; a program's words for nothing, yes and no; its names and codes."""


def test_every_list_and_a_page_of_each_answer_with_a_row(sample: dict[str, Any], login: Any) -> None:
    """And none shows what only a program writes: a number with all its digits, a word for nothing, a unit of storage."""
    sample_rest.rows(sample)
    client, wrong = login(), []
    for model in admin.site._registry:
        name = model._meta.label_lower.replace(".", "_")
        row = model._default_manager.first()
        assert row is not None, f"the samples have no {name}"
        pages = [reverse(f"admin:{name}_changelist"), reverse(f"admin:{name}_change", args=[row.pk])]
        for address in [*pages, *([f"/admin/strategies/profile/{row.pk}/history/"] if model is Profile else [])]:
            answer = client.get(address)
            wrong += [(address, answer.status_code)] if answer.status_code != 200 else []
            text = words_of(answer.content.decode())
            wrong += [(address, found[0]) for pattern in RAW for found in pattern.finditer(text)]
    assert wrong == [], "\n".join(map(str, wrong))


def words_of(page: str) -> str:
    """What a person reads on a page, without its menu, icons and scripts, and without what came from outside as it is."""
    main = page[page.index('<div class="k-banner') :]
    main = re.sub(r'<span class="[^"]*material-symbols[^>]*>[^<]*</span>|more_horiz', " ", main)
    without = re.sub(r"<(script|style|textarea|select|pre|form data)\b.*?</\1>", " ", main, flags=re.S)
    return html.unescape(re.sub(r"<[^>]*>", " ", without))


@pytest.mark.parametrize(
    ("says", "returns", "shown"),
    [(True, "MECNET", "yes"), (True, "", "not relied on: the exchange says so"), (False, "MECNET", "no")],
)
def test_an_event_is_exclusive_on_its_page_as_it_is_for_the_search(
    says: bool, returns: str, shown: str, sample: dict[str, Any], login: Any
) -> None:
    """The page said yes by the flag alone, and the verdict beside it that outcomes may win together."""
    event = sample["events"][3]
    Event.objects.filter(pk=event.pk).update(mutually_exclusive=says, collateral_return_type=returns)
    page = login("viewer").get(reverse("admin:markets_event_change", args=[event.pk])).content.decode()
    assert f"<dt>At most one wins</dt><dd>{shown}" in page
    assert live_quotes.load_universe()[event.pk].exclusive is (shown == "yes")


def test_schedules_say_their_interval_as_people_do(sample: dict[str, Any], login: Any) -> None:
    sample_rest.rows(sample)
    page = login().get(reverse("admin:django_celery_beat_periodictask_changelist")).content.decode()
    assert "every 6 h" in page
    assert "21600 seconds" not in page


@pytest.mark.parametrize("role", ["viewer", ""])
def test_pages_of_the_console_answer(role: str, sample: dict[str, Any], login: Any) -> None:
    client = login(role)
    for name in ("admin:index", "admin:why", "admin:operate", "admin:shadows"):
        answer = client.get(reverse(name))
        assert answer.status_code == 200
        assert b"ACTIVE" in answer.content
    assert client.get(reverse("admin:why_event", args=[sample["events"][0].pk])).status_code == 200
    assert client.get(f"/admin/strategies/profile/{sample['careful'].pk}/evaluate/").status_code == 200
    for part in ("glance", "modes", "system", "positions", "nearest", "alerts"):
        assert client.get(reverse("admin:dashboard_part", args=[part])).status_code == 200


def test_the_triage_card_shows_sell_against_hold_the_evidence_and_both_plots(
    sample: dict[str, Any], login: Any
) -> None:
    position = sample["held"]
    tickers = [market.ticker for market in position.event.markets.order_by("ticker")]
    bounds = {ticker: [78 + 2 * i, 79 + 2 * i] for i, ticker in enumerate(tickers)}
    said = {
        "source": "nws",
        "opinion": True,
        "age_ms": 61_000,
        "detail": "forecast 82 °F",
        "error": "2.7 °F",
        "worth": 5_000_000,
        "gain": 2_000_000,
        "coverage_ppm": 400_000,
        "probabilities": dict.fromkeys(tickers, 0.1),
        "plot": {"unit": "°F", "measured": 80, "pmf": {"80": 0.3, "82": 0.5, "84": 0.2}, "bounds": bounds},
    }
    for sell in (4_000_000, 3_000_000):
        assessment = Assessment.objects.create(
            position=position,
            advice="exit",
            sell_now=sell,
            sell_fees=90_000,
            hold_expected=1_000_000,
            gain=sell - 1_000_000,
            floor=0,
            best=9_000_000,
            break_even_ppm=412_345,
            days_left=0.5,
            annualised_ppm=-1_000_000,
            probabilities=dict.fromkeys(tickers, 0.16),
            sources=[said],
        )
    Recommendation.objects.create(
        position=position, assessment=assessment, advice="exit", reason="source_sell_beats_hold:nws", source="nws"
    )
    page = login("operator").get(reverse("admin:trading_position_change", args=[position.pk])).content.decode()
    for text in (
        "41.23 %",
        "$3.00",
        "+$2.00",
        "forecast 82 °F, error 2.7 °F",
        "1.00 of 20",
        "Accept and exit",
        "80 measured",
    ):
        assert text in page, text
    assert page.count("<polyline") == 3
    assert page.count("k-plot-held") + page.count("k-plot-open") >= 3


def test_the_scoreboard_shows_sources_and_advice_and_who_may_act(sample: dict[str, Any], login: Any) -> None:
    SourceForecast.objects.create(
        source="nws",
        event=sample["events"][0],
        formed_at="2026-01-01T00:00Z",
        probabilities={"A": 0.9},
        market_probabilities={"A": 0.4},
        outcome="A",
        brier=0.02,
        brier_market=0.72,
        ranked=0.113,
        ranked_market=0.457,
        settled_at="2026-01-02T00:00Z",
    )
    PointForecast.objects.create(
        source="nws",
        subject="high/KMIA",
        event=sample["events"][0],
        unit="fahrenheit",
        lead="12-24",
        lead_hours=16.0,
        issued_at="2026-01-01T00:00Z",
        formed_at="2026-01-01T00:00Z",
        value=80.0,
        published_spread=2.7,
        bias=1.25,
        spread=2.5,
        version=1,
        settled_on=82.0,
        pit=0.55,
        crps=1.375,
        settled_at="2026-01-02T00:00Z",
    )
    advice = Recommendation.objects.get()
    advice.score, advice.scored_at, advice.status = {"difference": -1_250_000}, "2026-01-02T00:00Z", "lapsed"
    advice.save()
    page = login("viewer").get(reverse("admin:scoreboard")).content.decode()
    for text in (
        "nws",
        "0.020",
        "0.720",
        "0.11 / 0.92",  # -log 0.9 and -log 0.4
        "0.113 / 0.457",
        "1.38",
        "high/KMIA, °F",
        "100 / 100 / 100 %",
        'aria-label="0.00 %, 0.00 %, 0.00 %, 0.00 %, 0.00 %, 100.00 %, 0.00 %, 0.00 %, 0.00 %, 0.00 %"',
        "97.22 %",
        "nobody: it advises",
        "-$1.25",
        "came 100.00 %",
        "2.00",
        "0.75",
    ):
        assert text in page, text
