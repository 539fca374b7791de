"""The triage card of a position, and the scoreboard of advice and sources."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from kalbot.common import clock
from kalbot.common.units import PPM
from kalbot.console.pages.positions import triage_plots
from markets.selectors import markets_of
from markets.terms.settled_value import Unit
from strategies.models import Profile
from trading.models import ACTIVE, Position
from triage import selectors
from triage.learning.calibration import CENTRAL
from triage.scoring.forecasts import evidence_of

DAY_MS = 86_400_000
LEAST_TALLEST = 0.25
"""The share at a histogram's full height, unless a bar is taller: an even histogram is drawn low."""
UNITS: dict[str, str] = {Unit.FAHRENHEIT: "°F", Unit.DOLLARS: "$", Unit.PERCENT: "%"}


def context(position: Position) -> dict[str, Any]:
    """Everything that ``console/parts/triage_card.html`` shows: sell now against hold, the evidence, the plots, what stands."""
    card = selectors.card(position.pk)
    assessment = card.latest
    legs = list(position.legs.select_related("market"))
    names = {market.ticker: market.yes_sub_title or market.ticker for market in markets_of(position.event)}
    held = {leg.market_id for leg in legs if leg.side == "yes" and leg.bought_count}
    sources = [_source(one, position.profile) for one in (assessment.sources if assessment else [])]
    return {
        "assessment": assessment,
        "may_opt_out": position.status in ACTIVE,
        "policy": position.profile.triage_policy,
        "hold_expected": None if assessment is None else cents(assessment.hold_expected),
        "gain": None if assessment is None else cents(assessment.gain),
        "advice": card.recommendations[::-1],
        "answered": position.recommendations.exclude(status="open").order_by("-id")[:8],
        "days_saved_ms": None
        if assessment is None or assessment.days_left is None
        else int(assessment.days_left * DAY_MS),
        "sale": [
            {**row, "name": names.get(row["ticker"], row["ticker"])}
            for row in (assessment.sale_legs if assessment else [])
        ],
        "beliefs": _beliefs(assessment, names, held),
        "opinions": sources,
        "value_history": triage_plots.value_history(
            card.history, position.cost or sum(leg.bought_cost for leg in legs)
        ),
        "plots": [found for one in sources if (found := triage_plots.forecast(one, held, names)) is not None],
    }


def _source(row: dict[str, Any], profile: Profile) -> dict[str, Any]:
    """One source's line: what it said, and whether its record would let it act for this profile."""
    value, needed = evidence_of(row["source"]), profile.triage_evidence_ppm / PPM
    policy = {**row, "worth": cents(row["worth"]), "gain": cents(row["gain"])}
    return {**policy, "evidence": f"{value:.2f}", "needed": f"{needed:g}", "may_act": value >= needed}


def _beliefs(assessment: Any, names: dict[str, str], held: set[str]) -> list[dict[str, Any]]:
    """Outcome by outcome: the market's probability beside each source's, in millionths."""
    if assessment is None:
        return []
    speaking = [one for one in assessment.sources if one["opinion"]]
    tickers = assessment.probabilities or {ticker: None for one in speaking for ticker in one["probabilities"]}
    return [
        {
            "name": names.get(ticker, ticker),
            "held": ticker in held,
            "market": _ppm(assessment.probabilities.get(ticker)),
            "said": [_ppm(one["probabilities"].get(ticker)) for one in speaking],
        }
        for ticker in sorted(tickers)
    ]


def cents(money: int | None) -> int | None:
    """An expectation to the cent, micro-dollars: more digits than it deserves would only be read."""
    return None if money is None else (money + 5_000) // 10_000 * 10_000


def _ppm(share: float | None) -> int | None:
    return None if share is None else round(share * PPM)


def _record(one: selectors.SourceRecord, profiles: list[Profile]) -> dict[str, Any]:
    """One source's line of the scoreboard, with the profiles for which its record would let it act."""
    may = [
        p
        for p in profiles
        if p.triage_policy == Profile.TriagePolicy.ANY and one.evidence * PPM >= p.triage_evidence_ppm
    ]
    bins = [
        {
            "said": _ppm(b.said),
            "came": _ppm(b.came),
            "n": b.forecasts,
            "width": round(100 * b.came, 1),
            "at": round(100 * b.said, 1),
        }
        for b in one.calibration
    ]
    return {"row": one, "skill": _ppm(one.skill), "acts_for": [p.name for p in may], "bins": bins}


def _station(one: selectors.StationRecord) -> dict[str, Any]:
    """One station's line: its histogram with heights in percent of the picture's, the line that every bar of a
    calibrated source reaches, and how many in a hundred fell into the middle of what was said."""
    tallest = max(LEAST_TALLEST, *one.histogram) if one.histogram else LEAST_TALLEST
    bars = [{"share": _ppm(share), "height": 100 * share / tallest} for share in one.histogram]
    even = 100 / (max(1, len(one.histogram)) * tallest)
    inside = [100 * one.inside[said] for said in CENTRAL] if one.inside else []
    return {"row": one, "bars": bars, "even": even, "inside": inside, "unit": UNITS.get(one.unit, "")}


@permission_required("triage.view_sourceforecast", raise_exception=True)
def scoreboard(request: HttpRequest) -> HttpResponse:
    """How good sources and advice were, after settlement; and which profiles would let a source act."""
    profiles = list(Profile.objects.order_by("name"))
    sources = selectors.source_records()
    page = {
        **admin.site.each_context(request),
        "title": "Scoreboard",
        "now": clock.now(),
        "sources": [_record(one, profiles) for one in sources],
        "central": [round(100 * said) for said in CENTRAL],
        "stations": [_station(one) for one in selectors.station_records()],
        "reasons": selectors.reason_records(),
        "profiles": profiles,
    }
    return TemplateResponse(request, "console/scoreboard.html", page)
