"""What Ctrl+K finds: events, outcomes, positions and profiles by their titles as well as their tickers, open ones first, a few of each."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from django.db.models import Q
from django.http import HttpRequest
from unfold.dataclasses import SearchResult

from kalbot.console.ui.links import page_url
from markets.models import Event, Market
from strategies.models import Profile
from trading.models import ACTIVE, Position

MOST: Final = 15
"""Results of each kind."""


def found(request: HttpRequest, term: str) -> list[SearchResult]:
    """Rows that match every word of ``term`` and that this person may view."""
    words = term.split()
    kinds = (
        ("strategies.view_profile", profiles),
        ("trading.view_position", positions),
        ("markets.view_event", events),
        ("markets.view_market", outcomes),
    )
    allowed = (kind for permission, kind in kinds if request.user.has_perm(permission))
    return [one for kind in allowed for one in islice(kind(words), MOST)] if words else []


def each(words: list[str], *fields: str) -> Q:
    """Every word is in one of the fields."""
    wanted = Q()
    for word in words:
        somewhere = Q()
        for field in fields:
            somewhere |= Q(**{f"{field}__icontains": word})
        wanted &= somewhere
    return wanted


def profiles(words: list[str]) -> Iterator[SearchResult]:
    """Profiles by name and description."""
    for row in Profile.objects.filter(each(words, "name", "description")).order_by("name"):
        state = "" if row.is_active else ", switched off"
        yield SearchResult(row.name, f"profile, {row.mode}{state}", page_url("strategies.profile", row.pk), "tactic")


def positions(words: list[str]) -> Iterator[SearchResult]:
    """Positions by number and event, active ones first."""
    wanted = each(words, "event__ticker", "event__title")
    if len(words) == 1 and words[0].lstrip("#").isdecimal() and len(words[0]) < 15:
        wanted |= Q(pk=int(words[0].lstrip("#")))
    rows = Position.objects.filter(wanted).select_related("event", "profile").order_by("-id")
    active, ended = rows.filter(status__in=ACTIVE), rows.exclude(status__in=ACTIVE)
    for row in (*active[:MOST], *ended[:MOST]):
        title = f"#{row.pk} {row.event.title or row.event_id}"
        what = f"position of {row.profile}, {row.mode}, {row.get_status_display()}, {row.event_id}"
        yield SearchResult(title, what, page_url("trading.position", row.pk), "inventory_2")


def events(words: list[str]) -> Iterator[SearchResult]:
    """Events by title and ticker, open ones first, then by volume."""
    rows = Event.objects.filter(each(words, "title", "sub_title", "ticker")).order_by("-is_open", "-volume")
    for row in rows[:MOST]:
        state = "" if row.is_open else ", closed"
        yield SearchResult(row.title or row.pk, f"event {row.pk}{state}", page_url("markets.event", row.pk), "event")


def outcomes(words: list[str]) -> Iterator[SearchResult]:
    """Outcomes of open events by their own name or ticker."""
    rows = Market.objects.filter(each(words, "yes_sub_title", "ticker"), event__is_open=True).select_related("event")
    for row in rows.order_by("ticker")[:MOST]:
        what = f"outcome of {row.event.title or row.event_id}, {row.pk}"
        yield SearchResult(row.yes_sub_title or row.pk, what, page_url("markets.market", row.pk), "storefront")
