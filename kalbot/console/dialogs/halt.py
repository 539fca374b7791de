"""The kill switch: halt (two levels), reduce, resume; for everything or for one profile."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet, Sum
from django.shortcuts import get_object_or_404
from django.urls import reverse

from kalbot.console.dialogs.dialog import Briefing, Dialog, ReasonForm
from kalbot.console.pages.home import obstacles
from kalbot.console.ui import formats
from strategies.models import Profile
from trading import selectors
from trading.models import ACTIVE, Order, OrderStatus, Position
from trading.safety import halt
from trading.selectors import HeldLeg


class HaltForm(ReasonForm):
    """Two levels: reducing stops new risk; halted sends nothing but cancels, and leaves naked what is half-bought or half-sold."""

    level = forms.ChoiceField(
        label="How far",
        initial="reducing",
        widget=forms.RadioSelect,
        choices=[
            ("reducing", "Reducing: no new baskets. Exits, completing and unwinding go on"),
            (
                "halted",
                "Halted, cancels only: no order is sent, exits wait, half-bought baskets stay naked until somebody resumes",
            ),
        ],
        error_messages={"required": "Please choose how far to stop."},
    )
    field_order = ["token", "level", "reason"]


class ResumeForm(ReasonForm):
    """All the way, or from halted to reducing."""

    level = forms.ChoiceField(
        label="How far",
        initial="active",
        widget=forms.RadioSelect,
        choices=[
            ("active", "Active: new baskets are bought again"),
            ("reducing", "Reducing: exits, completing and unwinding go on; no new baskets"),
        ],
        required=False,
    )
    field_order = ["token", "level", "reason"]

    def clean_level(self) -> str:
        """Resuming without more words is resuming all the way."""
        return str(self.cleaned_data["level"] or "active")


class TradingSwitch(Dialog):
    """What halting and resuming share. ``pk`` is a profile's id, or empty for everything."""

    def profile(self, pk: str) -> Profile | None:
        return get_object_or_404(Profile, pk=pk) if pk else None

    def numbers(self, profile: Profile | None) -> list[tuple[str, str]]:
        """How much is at stake: positions, resting orders and the state now."""
        mine: dict[str, Any] = {"profile": profile} if profile else {}
        positions = Position.objects.filter(status__in=ACTIVE, **mine)
        return [
            ("State now", halt.current(profile).upper()),
            ("Active positions", str(positions.count())),
            *costs(positions),
            (
                "Orders at work",
                str(
                    Order.objects.filter(
                        status__in=[OrderStatus.SENDING, OrderStatus.RESTING, OrderStatus.UNKNOWN], **mine
                    ).count()
                ),
            ),
        ]


def costs(positions: QuerySet[Position]) -> list[tuple[str, str]]:
    """What the positions cost, live and sim apart: never added up."""
    found = positions.order_by("mode").values_list("mode").annotate(cost=Sum("cost"))
    return [(f"Cost at risk, {mode}", formats.money(cost)) for mode, cost in found] or [("Cost at risk", "$0.00")]


def naked_in_words(profile: Profile | None) -> str:
    """What the second level would leave naked, by position."""
    naked = naked_legs(profile)
    if not naked:
        return "No position has naked legs now, so halting fully would leave none."
    return f"Halting fully would leave {len(naked)} position{'s' * (len(naked) > 1)} with naked legs: {listed(naked)}."


def stays_naked(profile: Profile | None) -> str:
    """What a full halt that holds now leaves naked, by position, for the answer to whoever halted."""
    naked = naked_legs(profile)
    if not naked:
        return "No position has naked legs."
    return f"Naked until somebody resumes: {listed(naked)}."


def naked_legs(profile: Profile | None) -> dict[int, tuple[HeldLeg, ...]]:
    """The active positions with naked legs, by id."""
    mine: dict[str, Any] = {"profile": profile} if profile else {}
    return selectors.naked_legs(Position.objects.filter(status__in=ACTIVE, **mine))


def listed(naked: dict[int, tuple[HeldLeg, ...]]) -> str:
    """The first few of them with their legs."""
    first = "; ".join(f"#{pk}: {', '.join(str(one.leg) for one in naked[pk])}" for pk in sorted(naked)[:5])
    return f"{first}{f' and {len(naked) - 5} more' if len(naked) > 5 else ''}"


class Halt(TradingSwitch):
    """Stops trading; open positions are kept and go on being watched and settled."""

    name = "halt"
    title = "Halt trading"
    submit = "Halt"
    permission_required = "console.halt"
    form_class = HaltForm

    def brief(self, pk: str) -> Briefing:
        profile = self.profile(pk)
        return Briefing(
            target=str(profile or "all profiles"),
            url=reverse("admin:operate"),
            sentences=[
                f"Stops {profile or 'all profiles'}. Open positions are kept: they are watched and settled as before.",
                "Only a risk manager can resume, or go from halted back to reducing.",
                naked_in_words(profile),
            ],
            numbers=self.numbers(profile),
        )

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        level = form.cleaned_data["level"]
        halt.set_state(
            state=level,
            actor=actor,
            reason=reason,
            profile=self.profile(pk),
            cancel_resting=level == "halted",
            may_loosen=False,
        )
        if level == "halted":
            return f"Halted: only cancels are sent. {stays_naked(self.profile(pk))}"
        return "Reducing: no new baskets; exits go on."


class Resume(TradingSwitch):
    """Lets new baskets be bought again."""

    name = "resume"
    title = "Resume trading"
    submit = "Resume"
    variant = "success"
    permission_required = "console.resume"
    form_class = ResumeForm

    def brief(self, pk: str) -> Briefing:
        profile = self.profile(pk)
        state = halt.row_of(profile)
        return Briefing(
            version=f"{state.state} {state.actor} {state.reason}"[:200],
            target=str(profile or "all profiles"),
            url=reverse("admin:operate"),
            sentences=[f"Made active: {obstacles.possible_again(profile, obstacles.stopped(state))}"],
            numbers=[("Stopped by", state.actor), ("Because", state.reason or formats.NOTHING), *self.numbers(profile)],
        )

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        level = form.cleaned_data["level"]
        profile = self.profile(pk)
        halt.set_state(state=level, actor=actor, reason=reason, profile=profile)
        if level != "active":
            return "Reducing: exits go on, no new baskets."
        return f"{profile or 'Trading'} is active again. {obstacles.still_stopped(profile)}".strip()
