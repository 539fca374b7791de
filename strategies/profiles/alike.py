"""Which profiles judge an event alike: what one of them thinks of it, the others think too."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from strategies.models import Profile

NOT_JUDGED_BY: Final = frozenset(
    {
        "id",
        "name",
        "description",
        "mode",
        "is_active",
        "subaccount",
        "shadow_of_id",
        "capital",
        "moved",
        "swept",
        "profits",
        "sweep_above",
        "lend_above",
        "borrow_up_to",
        "allocation",
        "max_open_positions",
        "max_orders_per_minute",
        "max_daily_loss",
        "day_zone",
        "max_drawdown",
        "blackout",
        "cooldown_seconds",
        "beside_foreign",
        "sending",
        "on_partial",
        "complete_seconds",
        "triage_policy",
        "triage_min_gain",
        "triage_min_hold_seconds",
        "triage_evidence_ppm",
        "created_at",
        "updated_at",
    }
)
"""Columns that say nothing about an event: who the profile is, what money it has, how it sends orders. A column that is not named here
counts as one that matters."""


def key_of(profile: Profile) -> str:
    """Equal for profiles that judge alike, as long as money does not matter."""
    columns = [column.attname for column in Profile._meta.concrete_fields if column.attname not in NOT_JUDGED_BY]
    return json.dumps([getattr(profile, name) for name in columns], default=str)


def groups(profiles: Iterable[Profile]) -> list[list[Profile]]:
    """The profiles by what they judge by, in their order."""
    found: dict[str, list[Profile]] = {}
    for profile in profiles:
        found.setdefault(key_of(profile), []).append(profile)
    return list(found.values())
