"""Clone a profile: same filters and limits, sim, switched off, so that nothing starts by itself."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.validators import validate_slug
from django.shortcuts import get_object_or_404
from unfold.widgets import UnfoldAdminTextInputWidget

from kalbot.console.dialogs.dialog import Briefing, Dialog, ReasonForm
from kalbot.console.ui.links import page_url
from strategies.models import Mode, Profile


class CloneForm(ReasonForm):
    name = forms.CharField(
        label="Name of the new profile", max_length=48, validators=[validate_slug], widget=UnfoldAdminTextInputWidget()
    )
    field_order = ["token", "name", "reason"]

    def clean_name(self) -> str:
        name = self.cleaned_data["name"]
        if Profile.objects.filter(name=name).exists():
            raise forms.ValidationError(f"There is a profile {name} already.")
        return str(name)


class CloneProfile(Dialog):
    """The copy starts in sim and switched off, with its own capital and no history."""

    name = "clone_profile"
    title = "Clone profile"
    submit = "Clone"
    variant = "default"
    permission_required = "console.change_limits"
    form_class = CloneForm

    def brief(self, pk: str) -> Briefing:
        profile = get_object_or_404(Profile, pk=pk)
        return Briefing(
            target=profile.name,
            url=page_url("strategies.profile", profile.pk),
            sentences=[
                f"Makes a copy of {profile.name} in sim, switched off, with the same filters and limits and its own capital."
            ],
            version=profile.updated_at.isoformat(),
        )

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        source = get_object_or_404(Profile, pk=pk)
        copy = copy_of(source, form.cleaned_data["name"], mode=Mode.SIM, is_active=False)
        copy._change_reason = f"clone of {source.name}: {reason}"[:100]  # type: ignore[attr-defined]
        copy.save(force_insert=True)
        return f"{copy.name} is there, in sim and switched off."

    def leads_to(self, form: ReasonForm, briefing: Briefing) -> str:
        return profile_url(form.cleaned_data["name"])


def profile_url(name: str) -> str:
    """Address of the page of a profile that was just made."""
    return page_url("strategies.profile", Profile.objects.values_list("pk", flat=True).get(name=name))


OWN = {"id", "name", "mode", "is_active", "subaccount", "shadow_of", "created_at", "updated_at"}


def copy_of(source: Profile, name: str, **values: Any) -> Profile:
    """An unsaved profile with the filters, thresholds and limits of ``source``."""
    same = {
        field.attname: getattr(source, field.attname)
        for field in Profile._meta.concrete_fields
        if field.name not in OWN
    }
    return Profile(**{**same, "name": name, **values})
