"""Writes: once per Idempotency-Key, with actor, reason and outcome in the same audit log as the console's dialogs."""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_urlsafe

from django.db import transaction
from django.http import HttpRequest
from ninja.errors import HttpError

from kalbot.common.errors import KalbotError
from kalbot.console.api.shapes import Done
from kalbot.console.api.tokens import require
from kalbot.console.models import Act


def once(
    request: HttpRequest, *, name: str, permission: str, target: str, reason: str, act: Callable[[str], str]
) -> Done:
    """Do ``act(actor)`` once and keep it; a repeated Idempotency-Key answers what came of the first. 403, 409 on refusal."""
    token = require(request, permission)
    actor = f"{token.person.get_username()} (API token {token.name})"
    key = request.headers.get("Idempotency-Key", "").strip()
    if len(key) > 24:
        raise HttpError(400, "An Idempotency-Key has at most 24 characters.")
    with transaction.atomic():
        record, fresh = Act.objects.get_or_create(
            token=f"api:{token.pk}:{key}" if key else token_urlsafe(24),
            defaults={"name": name, "actor": actor[:150], "reason": reason, "target": target[:120]},
        )
    if not fresh:
        if (record.name, record.target) != (name, target[:120]):
            raise HttpError(409, "This Idempotency-Key was used for something else.")
        return Done(result=record.result or "It is still being done.", repeated=True)
    try:
        result = act(actor)
    except KalbotError as error:
        Act.objects.filter(pk=record.pk).update(outcome=Act.Outcome.REFUSED, result=str(error)[:400])
        raise HttpError(409, str(error)) from error
    Act.objects.filter(pk=record.pk).update(outcome=Act.Outcome.DONE, result=result[:400])
    return Done(result=result)
