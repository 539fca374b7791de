"""Each person reads times in a zone of their own choice; the page where they choose it, and the middleware that applies it."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextInputWidget

from kalbot.console.models import Preference


class TimeZoneMiddleware:
    """Activates the person's zone for the request. A zone that this machine does not know is UTC."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = getattr(request, "user", None)
        if user is None or not user.is_authenticated:
            return self.get_response(request)
        with timezone.override(zone_of(user.pk)):
            return self.get_response(request)


def zone_of(user_id: int) -> ZoneInfo:
    """The zone that a person has chosen; UTC until they do."""
    name = Preference.objects.filter(user_id=user_id).values_list("time_zone", flat=True).first()
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


class TimeZoneForm(forms.Form):
    """One name of the time zone database."""

    time_zone = forms.CharField(
        label="Time zone",
        max_length=40,
        widget=UnfoldAdminTextInputWidget(attrs={"list": "zones", "autocomplete": "off"}),
        help_text="America/New_York, Europe/Berlin, UTC, ...",
    )

    def clean_time_zone(self) -> str:
        name = str(self.cleaned_data["time_zone"]).strip()
        if name not in available_timezones():
            raise forms.ValidationError(f"“{name}” is not a time zone; choose one of the list, say America/New_York.")
        return name


def page(request: HttpRequest) -> HttpResponse:
    """Choose the zone in which times are shown."""
    now = zone_of(request.user.pk or 0)
    form = TimeZoneForm(request.POST or None, initial={"time_zone": str(now)})
    if request.method == "POST" and form.is_valid():
        name = form.cleaned_data["time_zone"]
        Preference.objects.update_or_create(user_id=request.user.pk or 0, defaults={"time_zone": name})
        messages.success(request, f"Times are shown in {name} from now on.")
        return redirect("admin:time_zone")
    context = {
        **admin.site.each_context(request),
        "title": "Time zone",
        "form": form,
        "zones": sorted(available_timezones()),
    }
    return TemplateResponse(request, "console/time_zone.html", context)
