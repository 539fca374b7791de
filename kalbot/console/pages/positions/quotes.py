"""Quotes: what rests now, why nothing else does, what fills were worth a moment later, and what quoting has made."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from kalbot.common import clock
from kalbot.common.units import CONTRACT, PPM
from kalbot.console.ui.plots import COLOURS
from markets import incentives
from strategies.models import Profile, QuoteRecord, Verdict
from strategies.quoting import expectation
from strategies.quoting.expectation import ENOUGH_FILLS
from strategies.reasons import Reason, sentence_of
from trading.quoted import open_quotes, results

DAYS: Final = 30
HORIZONS: Final = (1, 10, 60)
"""Seconds after a fill."""
COUNTED: Final = (
    *("fills", "baskets", "wanted", "complete", "orphaned", "tokens"),
    *(f"mark_{seconds}" for seconds in HORIZONS),
)
"""What a record counts, of a series or of one of its bands."""
MOST_LINES: Final = len(COLOURS)
QUOTE_REASONS: Final = [reason.value for reason in Reason if reason.value.startswith("quote")]


@permission_required(["trading.view_position", "trading.view_ledgertransaction"], raise_exception=True)
def page(request: HttpRequest) -> HttpResponse:
    """Sim and live apart in every table, live first where both are."""
    since = clock.now() - timedelta(days=DAYS)
    quotes = open_quotes.every()
    records = list(QuoteRecord.objects.order_by("mode", "series_id", "side", "band"))
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Quotes",
        "days": DAYS,
        "quotes": quotes,
        "incentives": [
            (quote, one)
            for quote in quotes
            for one in sorted(incentives.of({leg.leg.market_id for leg in quote.legs}), key=lambda one: one.ticker)
        ],
        "refusals": refusals(),
        "records": [record(row) for row in shown(records)],
        "enough": ENOUGH_FILLS,
        "made": results.by_way(since),
        "hedges": [one for one in results.hedges(since) if one.resting_cost],
        "is_quoting": Profile.objects.exclude(quoting=Profile.Quoting.NONE).filter(is_active=True).exists(),
        **plot(row for row in records if not row.band),
    }
    return TemplateResponse(request, "console/quotes.html", context)


def refusals() -> list[dict[str, Any]]:
    """Why there is no quote: for each profile that quotes, the events by their one reason, most frequent first."""
    quoting = Profile.objects.filter(is_active=True).exclude(quoting=Profile.Quoting.NONE)
    rows = Verdict.objects.filter(profile__in=quoting, live_constraint__in=QUOTE_REASONS)
    found = rows.values("profile__name", "live_constraint").annotate(number=Count("pk")).order_by("-number")
    return [
        {"profile": row["profile__name"], "number": row["number"], "reason": sentence_of(row["live_constraint"])}
        for row in found
    ]


def shown(records: Iterable[QuoteRecord]) -> list[QuoteRecord]:
    """Without a series' own row where one of its bands says the same."""
    records = list(records)
    of_bands = {(_key(row), _counts(row)) for row in records if row.band}
    return [row for row in records if row.band or (_key(row), _counts(row)) not in of_bands]


def _key(row: QuoteRecord) -> tuple[str, str, str]:
    return row.mode, row.series_id, row.side


def _counts(row: QuoteRecord) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in COUNTED)


def record(row: QuoteRecord) -> dict[str, Any]:
    """One series for the template; shares in millionths."""
    return {
        "row": row,
        "band": expectation.words_of(row.band),
        "marks": [getattr(row, f"mark_{seconds}") for seconds in HORIZONS],
        "fill_rate": row.complete * PPM // row.wanted if row.wanted else None,
        "tokens_a_set": round(row.tokens * CONTRACT / row.complete, 1) if row.complete else None,
    }


def plot(records: Iterable[QuoteRecord]) -> dict[str, str]:
    """What a fill was worth less its price after 1, 10 and 60 s, in cents, a line for each series with the most fills."""
    ranked = sorted((row for row in records if row.fills), key=lambda row: -row.fills)[:MOST_LINES]
    lines = [
        {
            "label": f"{row.series_id} {row.side.upper()} {row.mode}",
            "data": [None if (mark := getattr(row, f"mark_{s}")) is None else mark / 10_000 for s in HORIZONS],
            "borderColor": colour,
            "backgroundColor": colour,
        }
        for row, colour in zip(ranked, COLOURS, strict=False)
    ]
    if not lines:
        return {"marks_chart": "", "marks_options": ""}
    chart = {"labels": [f"{seconds} s" for seconds in HORIZONS], "datasets": lines}
    options = {
        "animation": False,
        "maintainAspectRatio": False,
        "elements": {"point": {"radius": 3}, "line": {"borderWidth": 2}},
        "plugins": {"legend": {"display": True, "position": "bottom", "labels": {"boxWidth": 12, "boxHeight": 2}}},
        "scales": {
            "x": {"grid": {"display": False}, "title": {"display": True, "text": "after the fill"}},
            "y": {"title": {"display": True, "text": "cents a contract"}, "ticks": {"maxTicksLimit": 6}},
        },
    }
    return {"marks_chart": json.dumps(chart), "marks_options": json.dumps(options)}
