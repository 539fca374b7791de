"""A second factor at login: a one-time code of an authenticator app, off until a person switches it on for themselves.

django-otp keeps the devices, checks codes once each and slows down guessing; here are the form, the rule of the site, and switching it
on and off. The shared key is shown to its owner while it is being set up, and never again.
"""

from __future__ import annotations

import secrets
from typing import Any

import segno
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_login_failed
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.safestring import mark_safe
from django.views.decorators.debug import sensitive_post_parameters
from django_otp import devices_for_user, login, match_token
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.forms import AuthenticationForm
from unfold.widgets import UnfoldAdminTextInputWidget

from kalbot.console.models import Act

RECOVERY_CODES = 8


def is_on(user: Any) -> bool:
    """Whether this person has switched the second factor on."""
    return bool(user.pk) and TOTPDevice.objects.filter(user_id=user.pk, confirmed=True).exists()


def shown(user: Any) -> bool:
    """Whether this session may go on: the code was shown, or this person uses none. Called several times a page, so the answer is kept
    on ``user``, which lives as long as the request."""
    if not hasattr(user, "may_go_on"):
        user.may_go_on = bool(user.is_verified()) or not is_on(user)
    return bool(user.may_go_on)


class LoginForm(AuthenticationForm):
    """Name and password, and a one-time code from those who use one."""

    code = forms.CharField(
        label="One-time code, if you use one",
        required=False,
        max_length=16,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean()
        user = self.get_user()
        if user is None or not is_on(user):
            return cleaned
        code = cleaned.get("code", "").replace(" ", "")
        if not code:
            raise forms.ValidationError("Please enter the one-time code of your authenticator app too.", code="code")
        device = match_token(user, code)
        if device is None:
            # counts like a wrong password, so that guessing is slowed down for the name and the address as well
            user_login_failed.send(__name__, credentials={"username": user.get_username()}, request=self.request)
            raise forms.ValidationError(
                "This one-time code is not right, or was used before; wait for the next one.", code="code"
            )
        user.otp_device = device
        return cleaned


class CodeForm(forms.Form):
    """One code, to show that the app is set up or that it is really you."""

    code = forms.CharField(
        label="One-time code",
        max_length=16,
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": "autofocus"}
        ),
        error_messages={"required": "Please enter the code that your app shows now."},
    )


@sensitive_post_parameters("code")
def page(request: HttpRequest) -> HttpResponse:
    """Switch the second factor on (scan, then prove it with a code) or off (with a code)."""
    user = request.user
    on = is_on(user)
    form = CodeForm(request.POST or None)
    recovery: list[str] = []
    if request.method == "POST" and form.is_valid():
        code = form.cleaned_data["code"].replace(" ", "")
        if on and match_token(user, code) is not None:
            switch_off(user, actor=user.get_username(), reason="by themselves, with a code")
            messages.success(request, "The second factor is off.")
            return redirect("admin:second_factor")
        device = None if on else pending(user)
        if device is not None and device.verify_token(code):
            recovery = switch_on(device)
            login(request, device)
            messages.success(request, "The second factor is on: the next login asks for a code.")
            on, form = True, CodeForm()
        else:
            form.add_error("code", "This code is not right, or was used before; wait for the next one.")
    context = {
        **admin.site.each_context(request),
        "title": "Second factor",
        "on": on,
        "form": form,
        "recovery": recovery,
        **({} if on else setup(pending(user))),
    }
    return TemplateResponse(request, "console/second_factor.html", context)


def pending(user: Any) -> TOTPDevice:
    """The device that is being set up; its key stays the same until it is confirmed."""
    device, _ = TOTPDevice.objects.get_or_create(user=user, confirmed=False, defaults={"name": "authenticator app"})
    return device


def setup(device: TOTPDevice) -> dict[str, Any]:
    """The picture to scan, made here, and the same key to type."""
    from base64 import b32encode

    picture = segno.make(device.config_url, error="m").svg_inline(omitsize=True, border=3, dark="#111", light="#fff")
    return {"picture": mark_safe(picture), "key": b32encode(device.bin_key).decode().rstrip("=")}


@transaction.atomic
def switch_on(device: TOTPDevice) -> list[str]:
    """Confirm the device; returns recovery codes, each good for one login without the app."""
    TOTPDevice.objects.filter(pk=device.pk).update(confirmed=True)
    device.confirmed = True
    spare, _ = StaticDevice.objects.get_or_create(user=device.user, defaults={"name": "recovery codes"})
    spare.token_set.all().delete()
    codes = [secrets.token_hex(5) for _ in range(RECOVERY_CODES)]
    for code in codes:
        spare.token_set.create(token=code)
    record(device.user, device.user.get_username(), "second_factor_on", "by themselves, with a code")
    return codes


@transaction.atomic
def switch_off(user: Any, *, actor: str, reason: str) -> None:
    """Forget every device of this person."""
    for device in devices_for_user(user, confirmed=None):
        device.delete()
    record(user, actor, "second_factor_off", reason)


def record(user: Any, actor: str, name: str, reason: str) -> None:
    """Who, when, why: like every act."""
    Act.objects.create(
        token=secrets.token_urlsafe(24),
        name=name,
        actor=actor,
        reason=reason[:300],
        target=User.get_username(user)[:120],
        outcome=Act.Outcome.DONE,
    )
