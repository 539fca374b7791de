"""What a channel's message says: one notification, a bundle in full, or the summary of a backlog."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.urls import reverse

from kalbot.common.wording import many
from kalbot.console.notify.models import EventKind, Notification, Severity
from kalbot.console.ui import navigation

MOST_IN_FULL: Final = 20
"""Of more than that a message shows the gravest and newest, and counts the rest: nobody reads 30 messages about one night."""
LONGEST: Final = 3_500
_MORE: Final = "\n... (more in the console, under Notifications)"


def message(notifications: Sequence[Notification], zone: str = "UTC") -> tuple[str, str, bool]:
    """Title, text, and whether it is urgent. Several notifications become one message, the gravest first; many a summary with its times
    in ``zone``."""
    many = len(notifications) > MOST_IN_FULL
    ordered = sorted(notifications, key=lambda one: (-one.severity, -one.pk if many else one.pk))
    urgent = ordered[0].severity >= Severity.URGENT
    first = ordered[0].title
    title = first if len(ordered) == 1 else f"{first} (and {len(ordered) - 1} more)"
    shown = [_paragraph(one, with_title=len(ordered) > 1) for one in ordered[:MOST_IN_FULL]]
    paragraphs = [paragraph for paragraph in shown if paragraph]
    text = _summary(ordered, paragraphs, zone) if many else _cut("\n\n".join(paragraphs) or first)
    return f"{sender()}: {title}"[:160], text, urgent


def sender() -> str:
    """Who writes: another installation may write to the same phone, and a halt on the demo exchange is none of production."""
    named = "" if settings.KALBOT_ENVIRONMENT == "kalbot" else settings.KALBOT_ENVIRONMENT
    where = "" if navigation.exchange() == "production" else navigation.exchange()
    words = ", ".join(one for one in (named, where) if one)
    return f"Kalbot ({words})" if words else "Kalbot"


def _paragraph(one: Notification, *, with_title: bool) -> str:
    lines = [one.title] if with_title else []
    lines += [one.body] if one.body else []
    lines += [_address(one.path)] if one.path and settings.CONSOLE_URL else []
    return "\n".join(lines)


def _address(path: str) -> str:
    return f"{settings.CONSOLE_URL.rstrip('/')}{path}"


def _summary(ordered: Sequence[Notification], paragraphs: Sequence[str], zone: str) -> str:
    """How many there are and since when, as many whole paragraphs as fit, what the rest is about, and where all of it is."""
    head = f"{many(len(ordered), 'notification')}{_between(ordered, zone)}. The gravest and newest:"
    listing = reverse("admin:console_notification_changelist")
    end = (
        f"All of them: {_address(listing)}"
        if settings.CONSOLE_URL
        else "All of them: in the console, under Notifications"
    )
    shown: list[str] = []
    for paragraph in paragraphs:
        tail = _rest(ordered[len(shown) + 1 :])
        if len("\n\n".join([head, *shown, paragraph, tail, end])) > LONGEST:
            break
        shown.append(paragraph)
    return "\n\n".join([head, *shown, _rest(ordered[len(shown) :]), end])


def _rest(ordered: Sequence[Notification]) -> str:
    """What is not shown, counted by severity and kind."""
    counted = Counter((one.severity, one.kind) for one in ordered)
    lines = [
        f"{number} x {EventKind(kind).label}" + ("" if severity == Severity.INFO else f" ({Severity(severity).label})")
        for (severity, kind), number in sorted(counted.items(), key=lambda pair: (-pair[0][0], -pair[1], pair[0][1]))
    ]
    return "\n".join([f"And {len(ordered)} more:", *lines])


def _between(ordered: Sequence[Notification], zone: str) -> str:
    try:
        local = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        local = ZoneInfo("UTC")
    moments = sorted(one.at for one in ordered)
    first, last = (moment.astimezone(local) for moment in (moments[0], moments[-1]))
    return f" from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} ({last.tzname()})"


def _cut(text: str) -> str:
    """At most ``LONGEST`` characters; what is left out is said."""
    return text if len(text) <= LONGEST else text[: LONGEST - len(_MORE)] + _MORE
