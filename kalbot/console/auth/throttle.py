"""Slows down guessing of passwords: after five failures from one address or for one name, a pause that doubles.

Kept in Redis so that every web process counts together; a Redis that is away throttles nothing (the password still holds).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress

import redis
from django.conf import settings
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from kalbot.common import cache

FREE = 5
FIRST_PAUSE = 15
LONGEST_PAUSE = 3_600
REMEMBERED = 3_600


class LoginThrottleMiddleware:
    """Answers 429 to a login while its address or name is paused."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        user_login_failed.connect(_failed, dispatch_uid="console.throttle.failed")
        user_logged_in.connect(_succeeded, dispatch_uid="console.throttle.succeeded")

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method == "POST" and request.path == reverse("admin:login"):
            pause = max((_pause(key) for key in _keys(request, request.POST.get("username", ""))), default=0)
            if pause:
                return too_many(request, pause)
        return self.get_response(request)


def too_many(request: HttpRequest, pause: int) -> HttpResponse:
    """A page that says how long to wait."""
    answer = TemplateResponse(
        request, "console/too_many.html", {"pause": pause}, status=429, headers={"Retry-After": str(pause)}
    )
    return answer.render()


def _keys(request: HttpRequest | None, name: str) -> list[str]:
    address = _address(request) if request is not None else ""
    found = [f"throttle:from:{address}"] if address else []
    if name:
        found.append(f"throttle:name:{hashlib.sha256(name.lower().encode()).hexdigest()[:24]}")
    return found


def _address(request: HttpRequest) -> str:
    """Where the request comes from. Behind a proxy that is the last hop it wrote down: earlier ones anybody can make up."""
    if settings.BEHIND_PROXY:
        hops = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if hops[-1].strip():
            return str(hops[-1].strip())
    return str(request.META.get("REMOTE_ADDR", ""))


def _pause(key: str) -> int:
    try:
        return max(0, int(cache.prices().ttl(f"{key}:pause")))
    except redis.RedisError:
        return 0


def _failed(credentials: dict[str, str] | None = None, request: HttpRequest | None = None, **kwargs: object) -> None:
    with suppress(redis.RedisError):
        for key in _keys(request, (credentials or {}).get("username", "")):
            failures = int(cache.prices().incr(key))
            cache.prices().expire(key, REMEMBERED)
            if failures >= FREE:
                cache.prices().set(f"{key}:pause", 1, ex=min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (failures - FREE)))


def _succeeded(request: HttpRequest | None = None, user: object = None, **kwargs: object) -> None:
    name = getattr(user, "get_username", str)()
    with suppress(redis.RedisError):
        cache.prices().delete(*_keys(request, name))
