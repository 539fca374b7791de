"""Results: every profile side by side for a period or any days; curves and groups of the chosen ones; the same as CSV and by the API."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from typing import Any, Final

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse

from kalbot.common import clock
from kalbot.console.exports import equity as equity_table
from kalbot.console.exports import results as table
from kalbot.console.exports import write
from kalbot.console.exports.kept import Line
from kalbot.console.ops import equity
from kalbot.console.pages.home.summary import until_booked
from kalbot.console.pages.results import curves
from kalbot.console.ui.links import list_url
from strategies.models import Profile
from trading.accounting import result_groups, results
from trading.accounting.result_groups import GROUPS
from trading.accounting.results import PERIODS, Result

MOST: Final = 4
"""Profiles whose curves and groups stand side by side."""
MOST_MEMBERS: Final = 200


@permission_required(["trading.view_position", "trading.view_ledgertransaction"], raise_exception=True)
def page(request: HttpRequest) -> HttpResponse:
    """One table for all profiles, never a sum over modes; below it the chosen profiles in detail."""
    now = clock.now()
    period, first, last = chosen_time(request.GET)
    since, until = results.days(first, last, now) if not period else (results.begin(period, now), now)
    profiles = list(Profile.objects.order_by("mode", "name"))
    open_ = equity.unrealised_of(profiles)
    name = period or f"{first}-{last}"
    if request.GET.get("format") == "csv":
        rows = [results.result(profile, since, until) for profile in profiles]
        lines = [table.line(one, *open_[one.profile.pk]) for one in rows]
        return answered(lines, table.COLUMNS, f"results-{name}")
    rows = [result_of(profile, since, until, now) for profile in profiles]
    wanted = request.GET.getlist("profile")
    chosen = [one for one in profiles if one.name in wanted][:MOST] or first_shown(rows)
    if request.GET.get("format") == "equity":
        kept = [equity_table.line(one) for profile in chosen for one in equity.samples(profile, since, until)]
        return answered(kept, equity_table.COLUMNS, f"equity-{name}")
    gains, worth = curves.gains_of(chosen, since, until), equity.of_now(chosen, open_) if until == now else {}
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Results",
        "periods": PERIODS,
        "period": period,
        "first": first,
        "last": last,
        "since": since,
        "until": until,
        "zone": str(results.DAY_ZONE),
        "refusal": refusal(request, first, last, now),
        "now": now,
        "rows": [{"result": one, "unrealised": open_[one.profile.pk], "ended_url": ended_url(one)} for one in rows],
        "few": results.FEW if any(one.says_little for one in rows) else 0,
        "chosen": chosen,
        "address": address(period, first, last),
        "groups": groups(chosen, since, until),
        **members(request.GET, chosen, since, until),
        **curves.realised(chosen, gains, since, until),
        "equities": curves.equity_of(chosen, gains, since, until, worth),
    }
    return TemplateResponse(request, "console/results.html", context)


def first_shown(rows: Sequence[Result]) -> list[Profile]:
    """The profile that is shown in detail where none was chosen: the first that ended something in the time, else one that is switched
    on, else the first."""
    best = max(rows, key=lambda row: (row.ended > 0, row.profile.is_active), default=None)
    return [] if best is None else [best.profile]


def result_of(profile: Profile, since: datetime | None, until: datetime, now: datetime) -> Result:
    """The result of one profile; one that ends now is kept until the next booking, for it adds up the whole ledger."""
    if until != now:
        return results.result(profile, since, until)
    name = f"result:{since and since.timestamp()}"
    return until_booked(profile, name, lambda: results.result(profile, since, now))


def chosen_time(data: QueryDict) -> tuple[str, date | None, date | None]:
    """(period, first day, last day): days where one can be read, else a period, else the month."""
    first, last = _day(data.get("from", "")), _day(data.get("to", ""))
    if first is not None or last is not None:
        return "", first, last
    period = data.get("period", "month")
    return period if period in PERIODS else "month", None, None


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 2000 <= found.year <= 2200 else None


def address(period: str, first: date | None, last: date | None) -> str:
    """The query that names this time again."""
    if period:
        return f"period={period}"
    return "&".join(f"{name}={day}" for name, day in (("from", first), ("to", last)) if day is not None)


def groups(chosen: Sequence[Profile], since: datetime | None, until: datetime) -> list[dict[str, Any]]:
    """Each profile's ended baskets by category, kind and hour."""
    return [
        {"profile": profile, "what": what, "found": found}
        for profile in chosen
        for what, found in result_groups.by(profile, since, until).items()
    ]


def members(data: QueryDict, chosen: Sequence[Profile], since: datetime | None, until: datetime) -> dict[str, Any]:
    """The rows of the group that the address names (``?of=careful&group=hour&name=14:00``)."""
    profile = next((one for one in chosen if one.name == data.get("of", "")), None)
    what, name = data.get("group", ""), data.get("name", "")
    if profile is None or what not in GROUPS or not name:
        return {"members": None}
    found = result_groups.members(profile, since, until, what, name)
    return {
        "members": found[:MOST_MEMBERS],
        "members_of": profile,
        "members_what": what,
        "members_name": name,
        "members_sum": sum(row.realised for row in found),
        "members_number": len(found),
    }


def ended_url(found: Result) -> str:
    """The rows behind the number of baskets: those that bought something and ended in this time."""
    since = {"ended_at__gte": found.since.isoformat()} if found.since else {}
    return list_url(
        "trading.position",
        profile__id__exact=found.profile.pk,
        held="ended",
        legs__bought_count__gt=0,
        ended_at__lte=found.until.isoformat(),
        **since,
    )


def refusal(request: HttpRequest, first: date | None, last: date | None, now: datetime) -> str:
    """Why the wanted days hold nothing or were not understood; empty if they are as they should be."""
    for name, found in (("from", first), ("to", last)):
        if request.GET.get(name) and found is None:
            return f"The day “{request.GET[name]}” was not understood; days are written like 2026-11-28."
    if first is not None and last is not None and first > last:
        return "The first day is after the last one: nothing lies between them."
    if first is not None and datetime.combine(first, time(), results.DAY_ZONE) > now:
        return "These days have not begun yet."
    return ""


def answered(lines: Iterable[Line], columns: Sequence[str], name: str) -> HttpResponse:
    """A table as CSV, with exact decimals."""
    answer = HttpResponse("".join(write.lines(lines, columns)), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer
