"""The daily and the weekly summary: what each mode earned, what is open, what needs a person. Sim and live are never added up."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, Sum

from kalbot.common import clock
from kalbot.console.notify.drafts import Draft
from kalbot.console.notify.models import EventKind, Notification
from kalbot.console.ui import formats
from strategies.models import Mode
from trading.accounting import results
from trading.models import ACTIVE, Denial, Discrepancy, Lock, Position

HOUR: Final = time(7, 0)
"""Local time after which the day before is summed up."""


def due(now: datetime) -> list[Draft]:
    """The summaries of the last whole day and, on Mondays, of the last whole week, once each."""
    zone = ZoneInfo(settings.SUMMARY_TIME_ZONE)
    local = now.astimezone(zone)
    if local.time() < HOUR:
        return []
    today = datetime.combine(local.date(), time(), zone)
    wanted = [("Daily summary", 1, f"daily:{local.date()}")]
    if local.weekday() == 0:
        wanted.append(("Weekly summary", 7, f"weekly:{local.date()}"))
    known = set(Notification.objects.filter(key__in=[key for *_, key in wanted]).values_list("key", flat=True))
    return [summary(title, today - timedelta(days), today, key) for title, days, key in wanted if key not in known]


def summary(title: str, start: datetime, end: datetime, key: str) -> Draft:
    """What happened between two moments."""
    lines = [line for mode in (Mode.LIVE, Mode.SIM) for line in of_mode(mode, start, end)]
    lines += attention(start, end)
    last = end - timedelta(microseconds=1)
    days = f"{start:%Y-%m-%d}" if last.date() == start.date() else f"{start:%Y-%m-%d} to {last:%Y-%m-%d}"
    return Draft(EventKind.SUMMARY, key, f"{title}, {days} ({start.tzname()})", "\n".join(lines), path="/admin/")


def of_mode(mode: Mode, start: datetime, end: datetime) -> list[str]:
    """One mode's lines: ended baskets, realised profit and fees as the results page has them of these days, and what is open."""
    made = results.made(mode, start, end - timedelta(microseconds=1)).values()
    held = Position.objects.filter(mode=mode, status__in=ACTIVE).aggregate(number=Count("pk"), cost=Sum("cost"))
    ended, won = sum(one.ended for one in made), sum(one.won for one in made)
    realised, fees = sum(one.realised for one in made), sum(one.fees for one in made)
    if not any((ended, realised, fees, held["number"])):
        return [f"{mode.label.capitalize()}: nothing ended, nothing open."]
    return [
        f"{mode.label.capitalize()}: {ended} ended ({won} with a profit), realised {formats.gain(realised)}, "
        f"fees {formats.money(fees)}; {held['number']} open at a cost of {formats.money(held['cost'] or 0)}."
    ]


def attention(start: datetime, end: datetime) -> list[str]:
    """What a person should see to now, and what was denied most between two moments."""
    differences = Discrepancy.objects.filter(resolved_at=None).count()
    locked = Lock.objects.filter(until__gt=clock.now()).count()
    denials = Denial.objects.filter(at__gte=start, at__lt=end)
    denied = denials.order_by().values("code").annotate(n=Count("pk")).order_by("-n", "code")[:3]
    lines = []
    if differences:
        lines.append(f"Open differences with the exchange: {differences}.")
    if locked:
        lines.append(f"Locks in force: {locked}.")
    if denied:
        lines.append("Denied most: " + ", ".join(f"{row['code']} ({row['n']})" for row in denied) + ".")
    return lines
