"""Taking a profile's settings live: a guarded change with a checklist. Live also needs the environment's switch."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core.validators import validate_slug
from django.shortcuts import get_object_or_404
from unfold.widgets import UnfoldAdminTextInputWidget

from kalbot.common.errors import KalbotError
from kalbot.common.units import DOLLAR
from kalbot.console import queries
from kalbot.console.dialogs.clone import copy_of
from kalbot.console.dialogs.dialog import Briefing, Dialog, ReasonForm
from kalbot.console.ui import formats
from kalbot.console.ui.fields import MoneyField
from kalbot.console.ui.links import page_url
from strategies.models import Mode, Profile
from trading.models import Discrepancy


def checklist(profile: Profile) -> list[tuple[bool, str]]:
    """What must hold before ``profile`` may trade live: (holds, sentence)."""
    key = bool(settings.KALSHI_KEY_ID and (settings.KALSHI_PRIVATE_KEY_PATH or settings.KALSHI_PRIVATE_KEY))
    open_discrepancies = Discrepancy.objects.filter(mode=Mode.LIVE, resolved_at=None).count()
    problems = queries.profile_problems(profile)
    return [
        (bool(settings.KALBOT_LIVE), "The environment allows live trading (KALBOT_LIVE=true)."),
        (key, "A key for the exchange is set."),
        (profile.mode == Mode.SIM, "It is a sim profile."),
        (open_discrepancies == 0, f"Our books agree with the exchange's ({open_discrepancies} differences open)."),
        (not problems, "Its settings are sound." if not problems else f"Its settings: {'; '.join(problems.values())}"),
        (profile.shadow_of_id is None, "It is not the paper twin of another profile."),
    ]


class GoLiveForm(ReasonForm):
    name = forms.CharField(
        label="Name of the live profile", max_length=48, validators=[validate_slug], widget=UnfoldAdminTextInputWidget()
    )
    capital = MoneyField(label="Its capital", least=DOLLAR, most=10_000_000 * DOLLAR)
    confirm = forms.CharField(
        label="Type that name again to confirm", max_length=48, widget=UnfoldAdminTextInputWidget()
    )
    field_order = ["token", "name", "capital", "confirm", "reason"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        name = cleaned.get("name", "")
        if name and Profile.objects.filter(name=name).exists():
            self.add_error("name", f"There is a profile {name} already.")
        elif name != cleaned.get("confirm", "").strip():
            self.add_error("confirm", "The two names differ.")
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
        return {"name": f"{profile.name[:43]}-live", "capital": profile.capital}

    def brief(self, pk: str) -> Briefing:
        profile = get_object_or_404(Profile, pk=pk)
        items = checklist(profile)
        host = settings.KALSHI_REST_URL.split("/")[2]
        return Briefing(
            target=profile.name,
            url=page_url("strategies.profile", profile.pk),
            sentences=[
                f"Makes a live profile with the settings of {profile.name}. From the next cycle on its decisions are orders on {host}.",
                f"{profile.name} itself stays in sim with its own ledger.",
            ],
            numbers=[
                ("Most in one basket", formats.money(profile.max_per_position)),
                ("Most in one event", formats.money(profile.max_per_event)),
                ("Daily loss, at most", formats.money(profile.max_daily_loss)),
            ],
            template="console/checklist.html",
            context={"checks": items},
            refusal="" if all(holds for holds, _ in items) else "Not yet: the checklist is not complete.",
        )

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        profile = get_object_or_404(Profile, pk=pk)
        missing = [sentence for holds, sentence in checklist(profile) if not holds]
        if missing:
            raise KalbotError(missing[0])
        live = copy_of(
            profile, form.cleaned_data["name"], mode=Mode.LIVE, is_active=True, capital=form.cleaned_data["capital"]
        )
        live._change_reason = f"live, from {profile.name}: {reason}"[:100]  # type: ignore[attr-defined]
        live.save(force_insert=True)
        return f"{live.name} is live with {formats.money(live.capital)}."
