"""The running totals of a profile, brought up to its ledger entries in their transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import F
from django.db.models.functions import Greatest

from kalbot.common import bulk
from trading.models import ProfileBalance


def add(profile_id: int, mode: str, change: Mapping[str, int], lowest: int) -> None:
    """Add to each account of ``change``, micro-dollars. ``lowest``: the least that the realised account has changed by in between, at most
    0; the best result is that of this moment. The row of totals is made where there is none."""
    if change and not _added(profile_id, change, lowest):
        ProfileBalance.objects.get_or_create(profile_id=profile_id, defaults={"mode": mode})
        _added(profile_id, change, lowest)


def _added(profile_id: int, change: Mapping[str, int], lowest: int) -> bool:
    if not lowest:
        amounts = [(profile_id, list(change.values()))]
        return bool(bulk.add_to_rows(ProfileBalance, list(change), amounts, by="profile"))
    totals: dict[str, Any] = {account: F(account) + amount for account, amount in change.items()}
    totals["best_equity"] = Greatest(F("best_equity"), -F("realised") - lowest)
    return bool(ProfileBalance.objects.filter(profile=profile_id).update(**totals))
