"""Writes: once per Idempotency-Key, with actor, reason and outcome in the same audit log as the console's dialogs."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from secrets import token_urlsafe
from typing import Final

from django.db import DatabaseError, transaction
from django.http import HttpRequest
from ninja.errors import HttpError

from kalbot.common.errors import KalbotError
from kalbot.console.api.shapes import Done
from kalbot.console.api.tokens import require
from kalbot.console.models import Act

LONGEST: Final = 20_000
"""Characters of a request that are kept with it."""


def once(
    request: HttpRequest, *, name: str, permission: str, target: str, reason: str, act: Callable[[str], str]
) -> Done:
    """Do ``act(actor)`` once and keep it; a repeated Idempotency-Key answers what came of the first. 403, 409 on refusal."""
    token = require(request, permission)
    actor = f"{token.person.get_username()} (API token {token.name})"
    key = request.headers.get("Idempotency-Key", "").strip()
    if len(key) > 24:
        raise HttpError(400, "An Idempotency-Key has at most 24 characters.")
    shown = [["Request", _kept(json.dumps(json.loads(request.body or b"{}"), sort_keys=True))]]
    with transaction.atomic():
        record, fresh = Act.objects.get_or_create(
            token=f"api:{token.pk}:{key}" if key else token_urlsafe(24),
            defaults={
                "name": name,
                "actor": actor[:150],
                "reason": reason,
                "target": target[:120],
                "shown": shown,
            },
        )
    if not fresh:
        return _repeated(record, (name, target[:120], shown))
    try:
        result = act(actor)
    except KalbotError as error:
        Act.objects.filter(pk=record.pk).update(outcome=Act.Outcome.REFUSED, result=str(error)[:400])
        raise HttpError(409, str(error)) from error
    except Exception as error:
        words = f"It failed ({type(error).__name__}); check what came of it before sending it again."
        with suppress(DatabaseError):
            Act.objects.filter(pk=record.pk).update(outcome=Act.Outcome.REFUSED, result=words)
        raise
    Act.objects.filter(pk=record.pk).update(outcome=Act.Outcome.DONE, result=result[:400])
    return Done(result=result)


def _kept(sent: str) -> str:
    """What is kept of a request; of a long one its hash too, for two may differ at their ends alone."""
    return sent if len(sent) <= LONGEST else f"{sent[:LONGEST]}... SHA-256 {sha256(sent.encode()).hexdigest()}"


def _repeated(record: Act, meant: tuple[str, str, list[list[str]]]) -> Done:
    """What came of the first request with this key. 409 where it was refused, is not known to have ended, or was another one: another
    act, target (which may be in the path alone) or body."""
    if (record.name, record.target, record.shown) != meant:
        raise HttpError(409, "This Idempotency-Key was used for something else.")
    if record.outcome == Act.Outcome.DONE:
        return Done(result=record.result, repeated=True)
    if record.outcome == Act.Outcome.REFUSED:
        raise HttpError(409, record.result)
    raise HttpError(
        409, "It is still being done, or whoever did it died. Check what came of it; another key sends it again."
    )
