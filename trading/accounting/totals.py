"""The running totals of a profile, brought up to its ledger entries in their transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import F, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce, Greatest

from kalbot.common.db import bulk, direct, pipeline
from kalbot.common.db.pipeline import Statement
from trading.models import ACTIVE, Position, ProfileBalance


def add(profile_id: int, mode: str, change: Mapping[str, int], lowest: int, *, is_there: bool = False) -> None:
    """Add to each account of ``change``, micro-dollars. ``lowest``: the least that the realised account has changed by in between, at most
    0; the best result is that of this moment. The row of totals is made where there is none; ``is_there``: there is one."""
    if change and is_there and not lowest:
        direct.ask(_adding(profile_id, change))
    elif change and not _added(profile_id, change, lowest):
        ProfileBalance.objects.get_or_create(profile_id=profile_id, defaults={"mode": mode})
        _added(profile_id, change, lowest)


def raise_best(profile_id: int) -> None:
    """Remember the profile's result if it is its best. To be called when a basket has ended: its legs are booked one by one, and what
    stands between two of them is no result to fall from. What open baskets have gained so far does not count yet."""
    gained = Position.objects.filter(profile=OuterRef("profile"), status__in=ACTIVE, realised__gt=0).order_by()
    still_open = Subquery(gained.values("profile").annotate(sum=Sum("realised")).values("sum"))
    ProfileBalance.objects.filter(profile=profile_id).update(
        best_equity=Greatest(F("best_equity"), -F("realised") - Coalesce(still_open, 0))
    )


def _added(profile_id: int, change: Mapping[str, int], lowest: int) -> bool:
    if not lowest:
        return bool(pipeline.rows_of(_adding(profile_id, change))[0])
    totals: dict[str, Any] = {account: F(account) + amount for account, amount in change.items()}
    totals["best_equity"] = Greatest(F("best_equity"), -F("realised") - lowest)
    return bool(ProfileBalance.objects.filter(profile=profile_id).update(**totals))


def _adding(profile_id: int, change: Mapping[str, int]) -> Statement:
    return bulk.adding(ProfileBalance, list(change), [(profile_id, list(change.values()))], by="profile")


def cash_locked(profile_id: int) -> int:
    """The profile's free cash, whose row stays locked until the transaction ends: nobody spends it meanwhile."""
    rows = ProfileBalance.objects.select_for_update().filter(profile=profile_id)
    return rows.values_list("cash", flat=True).get()
