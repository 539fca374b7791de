"""Whose quotes the probabilities of a bet on coverage come from, in words."""

from __future__ import annotations

from collections.abc import Iterator

from kalbot.common import clock
from markets.models import FamilyMember
from strategies.catalogue.corrections import lead_of
from strategies.catalogue.universe import EventView
from strategies.families.estimate import Estimate
from strategies.models import FamilyGate, Kind, Profile
from strategies.reasons import EstimateReason


def explain_estimate(event: EventView, profile: Profile) -> Iterator[str]:
    """One line, for a profile that bets on coverage and an event on which there may be such a bet. ``event``: with its estimate, where its
    family may speak."""
    if Kind.COVERAGE not in profile.kinds or not event.exclusive or event.members:
        return
    found = event.estimate
    if found is not None:
        yield found.sentence + (_evidence(event) if found.chances is not None else "")
        return
    rows = FamilyMember.objects.filter(event=event.ticker, family__is_open=True).order_by("family_id")
    family = rows.values_list("family_id", flat=True).first()
    if family is None:
        yield Estimate("", EstimateReason.NO_FAMILY).sentence
    else:
        yield Estimate(family, EstimateReason.NOT_EARNED, detail=family).sentence + _evidence(event)


def gate_of(event: EventView) -> FamilyGate | None:
    """The gate of its category and hours to the close, open or ended; None where nothing was ever earned."""
    lead = lead_of(event.closes_ms, clock.now_ms())
    return FamilyGate.objects.filter(category=event.category, lead_hours=lead).first() if lead is not None else None


def _evidence(event: EventView) -> str:
    gate = gate_of(event)
    if gate is None:
        return ""
    where = f"{gate.category}, {gate.lead_hours} h: e-value {gate.evidence:.1f} over {gate.events + gate.later_events:,} events"
    return f" {where}" + ("." if gate.ended_at is None else f", not enough since {gate.ended_at:%Y-%m-%d %H:%M} UTC.")
