"""Tokens: who a script is. A token belongs to a person, has one role at most as wide as the person's own, and is stored as a hash."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Final

import redis
from django.contrib.auth.models import User
from django.db.models import Q
from django.http import HttpRequest
from ninja.errors import HttpError
from ninja.security import HttpBearer

from kalbot.common import cache, clock
from kalbot.console.auth import roles
from kalbot.console.models import ApiToken

PREFIX: Final = "kb_"
SEEN_EVERY: Final = timedelta(minutes=1)
REQUESTS_A_MINUTE: Final = 120
"""Of reads, and as many writes: a script that reads too often must not keep anybody from halting."""
READS: Final = ("GET", "HEAD", "OPTIONS")


def digest(secret: str) -> str:
    """How a token is stored. It has 256 random bits, so a plain hash is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


def make(person: User, name: str, role: str, days: int) -> tuple[ApiToken, str]:
    """A new token and its secret, which is shown once. ``role``: viewer, operator or risk manager."""
    secret = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        person=person, name=name, role=role, digest=digest(secret), expires_at=clock.now() + timedelta(days=days)
    )
    return token, secret


def allows(token: ApiToken, permission: str) -> bool:
    """Whether the token's role and its person's own permissions both include ``app.codename``."""
    app, code = permission.split(".", 1)
    in_role = code.startswith("view_") or (app == "console" and code in roles.ACTS.get(token.role, set()))
    person: User = token.person
    return in_role and person.is_active and person.is_staff and person.has_perm(permission)


class Bearer(HttpBearer):
    """``Authorization: Bearer kb_…``. 401 without a valid token, 429 beyond the rate."""

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken | None:
        now = clock.now()
        living = Q(revoked_at=None) & Q(expires_at__gt=now) & Q(person__is_active=True, person__is_staff=True)
        found = ApiToken.objects.filter(living, digest=digest(token)).select_related("person").first()
        if found is None:
            return None
        if found.last_used_at is None or now - found.last_used_at > SEEN_EVERY:
            ApiToken.objects.filter(pk=found.pk).update(last_used_at=now)
        if not within_rate(found.pk, "reads" if request.method in READS else "writes"):
            raise HttpError(429, f"More than {REQUESTS_A_MINUTE} requests a minute.")
        return found


def within_rate(token_id: int, kind: str) -> bool:
    """A fixed window of a minute, shared by all processes. Without Redis nothing is limited: a halt must get through."""
    key = cache.key(f"console:api:{token_id}:{kind}:{clock.now_ms() // 60_000}")
    try:
        with cache.prices().pipeline() as pipe:
            pipe.incr(key)
            pipe.expire(key, 120)
            return int(pipe.execute()[0]) <= REQUESTS_A_MINUTE
    except redis.RedisError:
        return True


def require(request: HttpRequest, permission: str) -> ApiToken:
    """The request's token when it holds ``permission``; 403 otherwise."""
    token: ApiToken = request.auth  # type: ignore[attr-defined]  # set by ninja
    if not allows(token, permission):
        raise HttpError(403, f"This token does not include {permission}.")
    return token
