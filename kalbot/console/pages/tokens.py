"""A person's own API tokens: made, shown once, revoked."""

from __future__ import annotations

from secrets import token_urlsafe
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from kalbot.common import clock
from kalbot.console.api import tokens
from kalbot.console.models import Act, ApiToken


class TokenForm(forms.Form):
    """What a token is for, how much it may, and how long."""

    name = forms.CharField(label="What is it for?", max_length=60, widget=UnfoldAdminTextInputWidget())
    role = forms.ChoiceField(
        label="Role",
        choices=ApiToken.Role.choices,
        widget=UnfoldAdminSelectWidget(),
        help_text="It may never do more than you may.",
    )
    days = forms.IntegerField(
        label="Days", initial=90, min_value=1, max_value=366, widget=UnfoldAdminIntegerFieldWidget()
    )


@permission_required("console.make_token", raise_exception=True)
def page(request: HttpRequest) -> HttpResponse:
    """List, make, revoke."""
    person = owner(request)
    form = TokenForm(request.POST if "make" in request.POST else None)
    secret = ""
    if "revoke" in request.POST:
        return revoke(request, request.POST["revoke"])
    if form.is_valid():
        made, secret = tokens.make(
            person, form.cleaned_data["name"], form.cleaned_data["role"], form.cleaned_data["days"]
        )
        record(request, "make_token", made)
        form = TokenForm()
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "API tokens",
        "form": form,
        "secret": secret,
        "now": clock.now(),
        "tokens": ApiToken.objects.filter(person=person),
    }
    return TemplateResponse(request, "console/tokens.html", context)


def owner(request: HttpRequest) -> User:
    """The person whose tokens these are; the site lets nobody in without a login."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def revoke(request: HttpRequest, pk: str) -> HttpResponse:
    """End one of the person's own tokens at once."""
    own = ApiToken.objects.filter(person=owner(request), revoked_at=None, pk=pk if pk.isdigit() else 0)
    token = own.first()
    if token is not None and own.update(revoked_at=clock.now()):
        record(request, "revoke_token", token)
        messages.success(request, f"{token.name} no longer works.")
    return redirect("admin:tokens")


def record(request: HttpRequest, name: str, token: ApiToken) -> None:
    """Keep who made or revoked what; never the token itself."""
    Act.objects.create(
        token=token_urlsafe(24),
        name=name,
        actor=request.user.get_username(),
        reason="by themselves",
        target=str(token),
        outcome=Act.Outcome.DONE,
    )
