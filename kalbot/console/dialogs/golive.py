"""Taking a profile live: the only way to a live profile. A checklist, limits entered by hand, a phrase typed in full.

Live also needs the environment's switch; a live profile that was switched off comes back through the same dialog.
"""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.conf import settings
from django.core.validators import validate_slug
from django.db.models import Count, Sum
from django.shortcuts import get_object_or_404
from unfold.widgets import UnfoldAdminTextInputWidget

from kalbot.common import clock
from kalbot.common.errors import KalbotError
from kalbot.common.units import DOLLAR
from kalbot.common.wording import many
from kalbot.console.dialogs.clone import copy_of, profile_url
from kalbot.console.dialogs.dialog import Briefing, Dialog, ReasonForm
from kalbot.console.ops.health import exchange_status, status
from kalbot.console.ui import formats
from kalbot.console.ui.fields import MoneyField
from kalbot.console.ui.links import page_url
from strategies.models import Kind, Mode, Profile
from strategies.profiles import validation
from trading.accounting import collateral_mode
from trading.models import TERMINAL, Discrepancy, Position

PAPER_BASKETS: Final = 3
"""Baskets that must have ended on paper: less is no record."""
SEEN_WITHIN_MS: Final = 5 * 60_000
"""The age past which an answer of the exchange about our key and account no longer counts as seen."""
LIMITS: Final = ("capital", "max_per_position", "max_per_event", "max_daily_loss")


def checklist(profile: Profile) -> list[tuple[bool, str]]:
    """What must hold before ``profile`` may trade live: (holds, sentence)."""
    open_discrepancies = Discrepancy.objects.filter(mode=Mode.LIVE, resolved_at=None).count()
    problems = validation.problems(profile)
    return [
        (bool(settings.KALBOT_LIVE), "The environment allows live trading (KALBOT_LIVE=true)."),
        (profile.mode == Mode.SIM or not profile.is_active, "It does not trade live already."),
        (profile.shadow_of_id is None, "It is not the paper twin of another profile."),
        _key(),
        _account(),
        _clock(),
        _record(profile),
        (open_discrepancies == 0, f"Open differences with the exchange: {open_discrepancies}; none may be."),
        (not problems, "Its settings are sound." if not problems else f"Its settings: {'; '.join(problems.values())}"),
    ]


def _key() -> tuple[bool, str]:
    if not (settings.KALSHI_KEY_ID and (settings.KALSHI_PRIVATE_KEY_PATH or settings.KALSHI_PRIVATE_KEY)):
        return False, "A key for the exchange is set."
    found = exchange_status.last()
    seen = found is not None and not found.error and clock.now_ms() - found.checked_ms <= SEEN_WITHIN_MS
    return bool(seen and found and found.key_listed), "The exchange lists our key, and said so within five minutes."


def _account() -> tuple[bool, str]:
    cash = account_cash()
    if cash is None:
        return False, "The exchange has shown the account's cash within five minutes."
    return cash > 0, f"The account was seen: {formats.money(cash)} available."


def account_cash() -> int | None:
    """The account's available cash as the exchange said it lately, micro-dollars; None when it did not."""
    found = exchange_status.last()
    if found is None or found.error or clock.now_ms() - found.checked_ms > SEEN_WITHIN_MS:
        return None
    return found.cash


def _clock() -> tuple[bool, str]:
    part = status.clock_skew()
    return part.state == status.OK and "skew_ms" in part.metrics, f"Our clock was compared: {part.sentence}"


def _record(profile: Profile) -> tuple[bool, str]:
    """What the profile did on paper; of a live one that was switched off, what its paper twins did."""
    rows = Position.objects.filter(mode=Mode.SIM, status__in=TERMINAL).exclude(fees=0, realised=0)
    rows = rows.filter(profile=profile) if profile.mode == Mode.SIM else rows.filter(profile__shadow_of=profile)
    found = rows.aggregate(ended=Count("pk"), realised=Sum("realised"))
    words = f"{many(found['ended'], 'basket')} ended on paper with {formats.money(found['realised'] or 0)}"
    return found["ended"] >= PAPER_BASKETS, f"It has a record: {words} ({PAPER_BASKETS} at least)."


def phrase(name: str) -> str:
    """What a person types in full, so that nobody goes live by a slip of the hand."""
    return f"trade real money with {name}"


class GoLiveForm(ReasonForm):
    """The limits have no initial values: a person enters each."""

    name = forms.CharField(
        label="Name of the live profile", max_length=48, validators=[validate_slug], widget=UnfoldAdminTextInputWidget()
    )
    capital = MoneyField(label="Its capital", least=DOLLAR, most=10_000_000 * DOLLAR)
    max_per_position = MoneyField(label="Most in one basket", least=DOLLAR, most=10_000_000 * DOLLAR)
    max_per_event = MoneyField(label="Most in one event", least=DOLLAR, most=10_000_000 * DOLLAR)
    max_daily_loss = MoneyField(label="Daily loss, at most", least=DOLLAR, most=10_000_000 * DOLLAR)
    confirm = forms.CharField(
        label='Type "trade real money with" and the name', max_length=80, widget=UnfoldAdminTextInputWidget()
    )
    field_order = ["token", "name", *LIMITS, "confirm", "reason"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        name, capital, cash = cleaned.get("name", ""), cleaned.get("capital"), account_cash()
        if name and " ".join(cleaned.get("confirm", "").split()) != phrase(name):
            self.add_error("confirm", f"Please type: {phrase(name)}.")
        if capital is not None and cash is not None and capital > cash:
            self.add_error("capital", f"The account has {formats.money(cash)}; a profile cannot trade with more.")
        return cleaned


class GoLive(Dialog):
    """Makes a live profile of a sim one. The sim profile and its ledger stay: rows of sim and live never mix, not even in time."""

    name = "go_live"
    title = "Go live"
    submit = "Trade with real money"
    permission_required = "console.go_live"
    form_class = GoLiveForm

    def initial(self, pk: str) -> dict[str, Any]:
        profile = get_object_or_404(Profile, pk=pk)
        return {"name": profile.name if profile.mode == Mode.LIVE else f"{profile.name[:43]}-live"}

    def brief(self, pk: str) -> Briefing:
        profile = get_object_or_404(Profile, pk=pk)
        items = checklist(profile)
        host = settings.KALSHI_REST_URL.split("/")[2]
        if profile.mode == Mode.LIVE:
            does = f"Switches {profile.name} on again. From the next cycle on its decisions are orders on {host}."
        else:
            does = f"Makes a live profile with the settings of {profile.name}. From the next cycle on its decisions are orders on {host}."
        return Briefing(
            target=profile.name,
            url=page_url("strategies.profile", profile.pk),
            sentences=[
                does,
                "Its limits are entered here by hand; those of the profile on paper are below.",
                *_collateral(profile),
            ],
            numbers=[
                ("Capital", formats.money(profile.capital)),
                ("Most in one basket", formats.money(profile.max_per_position)),
                ("Most in one event", formats.money(profile.max_per_event)),
                ("Daily loss, at most", formats.money(profile.max_daily_loss)),
            ],
            template="console/checklist.html",
            context={"checks": items, "twin_of": profile if profile.mode == Mode.LIVE else None},
            refusal="" if all(holds for holds, _ in items) else "Not yet: the checklist is not complete.",
            version=profile.updated_at.isoformat(),
        )

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        source = get_object_or_404(Profile, pk=pk)
        missing = [sentence for holds, sentence in checklist(source) if not holds]
        if missing:
            raise KalbotError(missing[0])
        live = _live_profile(source, form.cleaned_data)
        problems = validation.problems(live)
        if problems:
            raise KalbotError(next(iter(problems.values())))
        live._change_reason = f"live, from {source.name}: {reason}"[:100]  # type: ignore[attr-defined]
        live.save()
        return f"{live.name} is live with {formats.money(live.capital)}."

    def leads_to(self, form: ReasonForm, briefing: Briefing) -> str:
        return profile_url(form.cleaned_data["name"])


def _collateral(profile: Profile) -> list[str]:
    """What collateral return would change, in the money of the profile's own latest NO basket, or of a usual one; nothing where it buys
    no such baskets."""
    example = collateral_mode.example(profile)
    if not example and Kind.ALL_NO not in profile.kinds:
        return []
    advice = (
        "Collateral return is chosen per account (Exchange accounts); a subaccount of its own is recommended for it."
    )
    return [f"{advice} {example or collateral_mode.usual_example()}"]


def _live_profile(source: Profile, entered: dict[str, Any]) -> Profile:
    """The profile to be stored: a new one, or the one that was switched off. KalbotError when the name is another's."""
    limits = {name: entered[name] for name in LIMITS}
    limits["max_per_leg"] = min(source.max_per_leg, limits["max_per_position"])
    if source.mode != Mode.LIVE:
        if Profile.objects.filter(name=entered["name"]).exists():
            raise KalbotError(f"There is a profile {entered['name']} already.")
        return copy_of(source, entered["name"], mode=Mode.LIVE, is_active=True, **limits)
    if entered["name"] != source.name:
        raise KalbotError(f"{source.name} keeps its name.")
    for name, value in {**limits, "is_active": True}.items():
        setattr(source, name, value)
    return source
