"""Differences that nothing explains: one open row a key, an alert, and REDUCING for whoever it concerns."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from django.db import IntegrityError, transaction

from kalbot.common import clock
from strategies.models import Mode, Profile
from trading.models import Discrepancy, Reconciliation
from trading.safety import halt, protections

log = logging.getLogger(__name__)
ACTOR = "reconciliation"


def found(
    run: Reconciliation,
    code: Discrepancy.Code,
    key: str,
    *,
    ours: str = "",
    theirs: str = "",
    profile: Profile | None = None,
) -> Discrepancy:
    """Name a difference. A new one reduces its profile, or every profile of the mode when it belongs to none."""
    run.differences += 1
    values = {"ours": ours[:120], "theirs": theirs[:120], "reconciliation": run, "last_seen_at": clock.now()}
    known = Discrepancy.objects.filter(code=code, key=key[:160], resolved_at=None).first()
    if known is not None:
        Discrepancy.objects.filter(pk=known.pk).update(**values)
        return known
    try:
        with transaction.atomic():
            made = Discrepancy.objects.create(code=code, key=key[:160], profile=profile, mode=run.mode, **values)
    except IntegrityError:
        return Discrepancy.objects.get(code=code, key=key[:160], resolved_at=None)
    log.critical("unexplained difference %s %s: ours %s, theirs %s", code, key, ours, theirs)
    concerned = [profile] if profile is not None else list(Profile.objects.filter(mode=run.mode, is_active=True))
    for one in concerned:
        halt.tighten(
            state=halt.State.REDUCING, actor=ACTOR, reason=f"unexplained difference: {code} {key}", profile=one
        )
        protections.after_difference(one, f"unexplained difference: {code} {key}")
    return made


def resolved(code: Discrepancy.Code, prefix: str, except_for: Iterable[str] = ()) -> None:
    """Close the open rows of ``code`` whose key begins with ``prefix``: the last comparison agreed."""
    still = {f"{prefix}{one}" for one in except_for}
    for row in Discrepancy.objects.filter(code=code, key__startswith=prefix, resolved_at=None):
        if row.key not in still:
            close(row, actor=ACTOR, resolution="a later comparison agreed")


def close(row: Discrepancy, *, actor: str, resolution: str) -> None:
    """Close one, with who and why. The trading state stays as it is until a person resumes."""
    Discrepancy.objects.filter(pk=row.pk, resolved_at=None).update(
        resolved_at=clock.now(), resolution=f"{resolution} ({actor})"[:300]
    )


def open_ones(mode: str | None = None) -> list[Discrepancy]:
    """What is open, newest first."""
    rows = Discrepancy.objects.filter(resolved_at=None).select_related("profile")
    return list((rows.filter(mode=Mode(mode)) if mode else rows).order_by("-id"))
