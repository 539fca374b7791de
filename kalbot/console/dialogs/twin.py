"""The paper twin of a live profile: made, brought up to date or switched on again, on paper only."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.validators import validate_slug
from django.shortcuts import get_object_or_404
from unfold.widgets import UnfoldAdminTextInputWidget

from kalbot.common.errors import KalbotError
from kalbot.console.admin.profiles.profile_units import LABELS, in_unit
from kalbot.console.dialogs.clone import profile_url
from kalbot.console.dialogs.dialog import Briefing, Dialog, ReasonForm, version_of
from kalbot.console.ui.links import page_url
from strategies.cycle import shadows
from strategies.models import Mode, Profile


class TwinForm(ReasonForm):
    name = forms.CharField(
        label="Name of the paper twin", max_length=48, validators=[validate_slug], widget=UnfoldAdminTextInputWidget()
    )
    field_order = ["token", "name", "reason"]


class MakeTwin(Dialog):
    """It trades on paper at once. A twin that is there already keeps its name and its positions."""

    name = "make_twin"
    title = "Paper twin"
    submit = "Trade on paper"
    variant = "default"
    permission_required = "console.change_limits"
    form_class = TwinForm

    def initial(self, pk: str) -> dict[str, Any]:
        live = get_object_or_404(Profile, pk=pk)
        twin = live.shadows.first()
        return {"name": twin.name if twin else shadows.default_name(live)}

    def brief(self, pk: str) -> Briefing:
        live = get_object_or_404(Profile, pk=pk)
        twin = live.shadows.first()
        return Briefing(
            target=live.name,
            url=page_url("strategies.profile", live.pk),
            sentences=[_makes(live, twin), _follows(live)],
            numbers=_changes(live, twin) if twin else [],
            refusal="" if live.mode == Mode.LIVE else f"{live.name} is on paper itself; only live profiles have twins.",
            version=version_of(live.updated_at, twin and twin.updated_at),
        )

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        live = get_object_or_404(Profile, pk=pk)
        try:
            return shadows.in_words(shadows.make(live, form.cleaned_data["name"], reason))
        except shadows.CannotShadow as error:
            raise KalbotError(str(error)) from None

    def leads_to(self, form: ReasonForm, briefing: Briefing) -> str:
        return profile_url(form.cleaned_data["name"])


def _makes(live: Profile, twin: Profile | None) -> str:
    if twin is None:
        return f"Makes a profile on paper with the filters, limits and capital of {live.name}, switched on."
    now = "is on" if twin.is_active else "is switched on again"
    return f"{twin.name} {now}, and gets the settings that {live.name} has now."


def _follows(live: Profile) -> str:
    if live.is_active:
        return f"It takes the decisions of {live.name} and fills them on paper, against the books of the moment."
    return (
        f"{live.name} is off, so the twin decides for itself until {live.name} is live again. "
        "Its ended baskets are the record that going live asks for."
    )


def _changes(live: Profile, twin: Profile) -> list[tuple[str, str]]:
    """What the twin's settings become: (name, from → to)."""
    return [
        (str(LABELS.get(name, name)), f"{in_unit(name, getattr(twin, name))} → {in_unit(name, getattr(live, name))}")
        for name in shadows.differing(live, twin)
    ]
