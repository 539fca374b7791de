"""Baskets across events: the markets, facts and rules of all members under the name of their family."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from markets.models import Event, FamilyMember
from triage.sources.protocol import EventFacts


def members_of(events: Mapping[str, Event]) -> dict[str, list[Event]]:
    """Family -> its member events (with their series), of those of ``events`` that are families."""
    found: dict[str, list[Event]] = defaultdict(list)
    wanted = [ticker for ticker, event in events.items() if event.is_family]
    if wanted:
        rows = FamilyMember.objects.filter(family__in=wanted).select_related("event__series").order_by("event_id")
        for row in rows:
            found[row.family_id].append(row.event)
    return dict(found)


def fold(
    members: Mapping[str, Sequence[Event]], markets: dict[str, list[dict[str, Any]]], facts: dict[str, EventFacts]
) -> None:
    """Give each family the markets of its members, and the fingerprint of all their rules. No source has an opinion of it."""
    for family, events in members.items():
        markets[family] = [row for event in events for row in markets[event.pk]]
        digests = "".join(facts[event.pk].digest for event in events)
        facts[family] = replace(facts[family], listings=(), digest=hashlib.sha256(digests.encode()).hexdigest())
