"""While a person fills in a profile: how many events its filters let through now, and how many of them are candidates."""

from __future__ import annotations

from typing import Final

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_POST

from kalbot.console.admin.profiles.profile_form import ProfileForm
from kalbot.console.admin.profiles.profile_units import LABELS
from strategies.models import Profile
from strategies.screening import kept

FIELDS: Final = (
    *("categories", "series_include", "series_exclude", "min_outcomes", "max_outcomes", "min_volume"),
    *("min_open_interest", "min_depth", "min_seconds_to_close", "max_days_to_close", "watch_margin_ppm", "kinds"),
    *("coverage_threshold_ppm", "min_margin_ppm", "min_profit", "min_expected_margin_ppm", "least_grade"),
)
"""What decides which events pass and which are candidates."""


@permission_required("strategies.view_profile", raise_exception=True)
@require_POST
def part(request: HttpRequest) -> HttpResponse:
    """The sentence below the heading of the form; nothing is stored."""
    profile, unread = filled_in(request.POST)
    found = kept.count(profile)
    return render(request, "console/parts/profile_matches.html", {"found": found, "unread": unread})


def filled_in(data: QueryDict) -> tuple[Profile, list[str]]:
    """(an unsaved profile with what the form says, the labels of fields that cannot be read)."""
    profile, unread = Profile(), []
    for name in FIELDS:
        field = ProfileForm.base_fields[name]
        written = field.widget.value_from_datadict(data, {}, name)
        try:
            value = field.clean(written)
        except forms.ValidationError:
            unread.append(str(LABELS.get(name, field.label or name)))
            continue
        if value is not None:
            setattr(profile, name, value)
    return profile, unread
