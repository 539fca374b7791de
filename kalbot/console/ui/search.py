"""What Ctrl+K finds: events, outcomes, positions and profiles by their titles as well as their tickers, open ones first, a few of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from django.db.models import Model, Q
from django.http import HttpRequest
from django.utils.text import smart_split
from unfold.dataclasses import SearchResult

from kalbot.console.ui import waits
from kalbot.console.ui.held import grade_of_held
from kalbot.console.ui.links import page_url
from markets.models import Event, Market
from strategies.models import Profile
from trading.models import ACTIVE, Position
from trading.waiting import of_all

MOST: Final = 15
"""Results of each kind."""
LONGEST_NUMBER: Final = 15
"""Digits; a longer number is no key."""


def found(request: HttpRequest, term: str) -> list[SearchResult]:
    """Rows that match every word of ``term`` and that this person may view."""
    words = words_of(term)
    kinds = (
        ("strategies.view_profile", profiles),
        ("trading.view_position", positions),
        ("markets.view_event", events),
        ("markets.view_market", outcomes),
    )
    allowed = (kind for permission, kind in kinds if request.user.has_perm(permission))
    return [one for kind in allowed for one in islice(kind(words), MOST)] if words else []


def words_of(text: str) -> list[str]:
    """What a person typed, word by word; words in quotation marks stay together. No column holds a NUL."""
    parts = smart_split(text.replace("\x00", ""))
    return [part[1:-1] if len(part) > 1 and part[0] in "\"'" and part[-1] == part[0] else part for part in parts]


def each(model: type[Model], words: Iterable[str], *fields: str) -> Q:
    """Every word is in one of the fields; of one that begins with ``=`` it is the whole number: ``#7`` is that and nothing else, ``7`` may
    stand in a text too.

    Fields behind a relation are searched in their own table first: a title is read once, not once for each row that has it.
    """
    numbers = [field[1:] for field in fields if field.startswith("=")]
    texts: dict[str, list[str]] = defaultdict(list)
    for field in fields:
        if not field.startswith("="):
            path, _, last = field.rpartition("__")
            texts[path].append(last)
    wanted = Q()
    for word in words:
        somewhere = Q(pk__in=[])
        for path, names in texts.items():
            somewhere |= _behind(model, path, _in_one_of(names, word))
        number = number_in(word)
        if number is not None:
            exact = Q(pk__in=[])
            for field in numbers:
                exact |= Q(**{field: number})
            somewhere = exact if numbers and word.startswith("#") else somewhere | exact
        wanted &= somewhere
    return wanted


def number_in(word: str) -> int | None:
    """The number that ``#7`` or ``7`` is; None for any other word."""
    number = word.removeprefix("#")
    return int(number) if number.isdecimal() and len(number) < LONGEST_NUMBER else None


def _in_one_of(names: Iterable[str], word: str) -> Q:
    found = Q()
    for name in names:
        found |= Q(**{f"{name}__icontains": word})
    return found


def _behind(model: type[Model], path: str, wanted: Q) -> Q:
    """Rows of ``model`` whose row at the end of ``path`` is one of the wanted; those of the model itself without a path."""
    if not path:
        return wanted
    owner: Any = model
    for part in path.split("__"):
        owner = owner._meta.get_field(part).related_model
    return Q(**{f"{path}__in": owner._default_manager.filter(wanted).order_by().values("pk")})


def profiles(words: list[str]) -> Iterator[SearchResult]:
    """Profiles by name and description."""
    for row in Profile.objects.filter(each(Profile, words, "name", "description")).order_by("name"):
        state = "" if row.is_active else ", switched off"
        yield SearchResult(row.name, f"profile, {row.mode}{state}", page_url("strategies.profile", row.pk), "tactic")


def positions(words: list[str]) -> Iterator[SearchResult]:
    """Positions by number and event: the one of that number first (every ticker of a day in 2026 has a 20 in it), then active ones."""
    wanted = each(Position, words, "event__ticker", "event__title", "=id")
    rows = Position.objects.filter(wanted).select_related("event", "profile").order_by("-id")
    numbers = [number for number in map(number_in, words) if number is not None]
    named, others = rows.filter(pk__in=numbers), rows.exclude(pk__in=numbers)
    active, ended = others.filter(status__in=ACTIVE), others.exclude(status__in=ACTIVE)
    found = (*named[:MOST], *active[:MOST], *ended[:MOST])
    waiting = of_all(found)
    for row in found:
        title = f"#{row.pk} {row.event.title or row.event_id}"
        held = f", {grade_of_held(row)}" if row.cost else ""
        waiting_for = waits.unusual(waiting.get(row.pk))
        what = f"position of {row.profile}, {row.mode}, {row.status}{held}, {row.event_id}{waiting_for and f'; {waiting_for}'}"
        yield SearchResult(title, what, page_url("trading.position", row.pk), "inventory_2")


def events(words: list[str]) -> Iterator[SearchResult]:
    """Events by title and ticker, open ones first, then by volume."""
    rows = Event.objects.filter(each(Event, words, "title", "sub_title", "ticker")).order_by("-is_open", "-volume")
    for row in rows[:MOST]:
        state = "" if row.is_open else ", closed"
        yield SearchResult(row.title or row.pk, f"event {row.pk}{state}", page_url("markets.event", row.pk), "event")


def outcomes(words: list[str]) -> Iterator[SearchResult]:
    """Outcomes of open events by their own name or ticker."""
    rows = Market.objects.filter(each(Market, words, "yes_sub_title", "ticker"), event__is_open=True).select_related(
        "event"
    )
    for row in rows.order_by("ticker")[:MOST]:
        what = f"outcome of {row.event.title or row.event_id}, {row.pk}"
        yield SearchResult(row.yes_sub_title or row.pk, what, page_url("markets.market", row.pk), "storefront")
