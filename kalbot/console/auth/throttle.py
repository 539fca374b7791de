"""Guessing of passwords is slowed down by django-axes; here is what it needs to know about us.

Attempts are counted in the database, so all web processes count together: after ``AXES_FAILURE_LIMIT`` failures for one name from one
address, that name waits at that address for ``AXES_COOLOFF_TIME``. Elsewhere it may log in, so that a stranger cannot lock the only risk
manager out. An address that tries many names waits for all of them. A wrong one-time code counts as a wrong password.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from axes.helpers import get_cool_off
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

SPRAY_FACTOR: Final = 10
"""Wrong passwords from one address over all names, in limits of one name, after which the address waits."""


def sprayed(request: HttpRequest) -> bool:
    """Whether somebody tries many names from this address. Counted from the attempts that django-axes keeps."""
    since = timezone.now() - (get_cool_off(request) or timedelta())
    tries = AccessAttempt.objects.filter(ip_address=client_address(request), attempt_time__gte=since)
    total = tries.aggregate(total=Sum("failures_since_start"))["total"] or 0
    return bool(total >= SPRAY_FACTOR * settings.AXES_FAILURE_LIMIT)


def lockout_response(request: HttpRequest, credentials: dict[str, Any] | None = None) -> HttpResponse:
    """The page that says how long to wait, with status 429."""
    cool_off = get_cool_off(request)
    assert cool_off is not None  # settings give one
    seconds = int(cool_off.total_seconds())
    page = TemplateResponse(
        request,
        "console/too_many.html",
        {"minutes": seconds // 60},
        status=429,
        headers={"Retry-After": str(seconds)},
    )
    return page.render()


def client_address(request: HttpRequest) -> str:
    """Where the request comes from. Behind a proxy that is the last hop in the header: earlier ones anybody can make up."""
    if settings.BEHIND_PROXY:
        hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if hops[-1].strip():
            return str(hops[-1].strip())
    return str(request.META.get("REMOTE_ADDR", ""))


def username(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str:
    """The name that was tried, in lower case: a name in capitals is not another name."""
    found = (credentials or {}).get("username") or request.POST.get("username", "")
    return str(found).lower()[:150]
