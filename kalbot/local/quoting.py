"""The demo's quoted profiles: on paper every leg rests, as the preset has it, and in another one several rest and the others are taken when
one fills, and in a third one leg of a family; at the simulated exchange the second.

All legs of an event seldom fill at their best bids within a simulated day."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import Count, Q, Sum

from markets.terms.grades import Grade
from strategies.models import DOLLAR, Kind, Mode, Profile
from strategies.profiles.presets import PRESETS
from strategies.profiles.seeds import GUARANTEED_ONLY
from trading.models import Fill, Order, Position, PositionStatus

STOP_SECONDS: Final = 25
"""Nothing rests so shortly before the close: a simulated day lasts a minute and a half, and its outcome shows in its last quarter."""
COLUMNS: Final[dict[str, Any]] = {
    "least_grade": Grade.IF_DETERMINED.value,
    "categories": ["Climate and Weather"],
    "quote_stop_seconds": STOP_SECONDS,
    "cooldown_seconds": 3,
    "quote_count": 500,
    "orphan_budget": 20 * DOLLAR,
    "orphan_budget_day": 1_000 * DOLLAR,
    "watch_margin_ppm": 200_000,
    "max_quotes": 3,
}
SEVERAL: Final[dict[str, Any]] = {
    **COLUMNS,
    "quoting": Profile.Quoting.SEVERAL.value,
    "quote_sides": Profile.QuoteSides.NO.value,
    "quote_min_margin_ppm": 1_000,
    "min_margin_ppm": 500,
}
PROFILES: Final[dict[str, dict[str, Any]]] = {
    "quotes": {
        **PRESETS["quotes"].columns,
        **COLUMNS,
        "mode": Mode.SIM.value,
        "quote_min_margin_ppm": 10_000,
    },
    "quotes-several": {
        **GUARANTEED_ONLY,
        **SEVERAL,
        "mode": Mode.SIM.value,
        "description": "On paper: several legs of NO rest, the others are taken when one fills.",
    },
    "quotes-families": {
        **GUARANTEED_ONLY,
        **SEVERAL,
        "mode": Mode.SIM.value,
        "kinds": [Kind.FAMILY.value],
        "categories": ["Crypto", "Science and Technology"],
        "quoting": Profile.Quoting.ONE_LEG.value,
        "quote_families": True,
        "quote_sides": Profile.QuoteSides.BOTH.value,
        "description": "On paper: one leg of a family rests, the others, of all its events, are taken when it fills.",
    },
    "live-quotes": {
        **GUARANTEED_ONLY,
        **SEVERAL,
        "mode": Mode.LIVE.value,
        "description": "Orders to the simulated exchange of the demo: several legs rest, the others are taken when one fills.",
    },
}


def seed() -> None:
    """Create those that are missing; what a person has edited stays."""
    for name, columns in PROFILES.items():
        Profile.objects.get_or_create(name=name, defaults=columns)


def counts(mode: str) -> dict[str, int]:
    """What the quotes of a mode have come to: baskets begun, fills of resting orders, baskets that became whole, held alone, settled."""
    positions = Position.objects.filter(mode=mode).exclude(quoting="")
    found = positions.aggregate(
        begun=Count("pk"),
        whole=Count("pk", filter=Q(matched_count__gt=0)),
        alone=Count("pk", filter=Q(residual_code="orphans_held")),
        settled=Count("pk", filter=Q(status=PositionStatus.SETTLED)),
        realised=Sum("realised", default=0),
    )
    fills = Fill.objects.filter(mode=mode, order__purpose=Order.Purpose.QUOTE, is_taker=False)
    return {**found, "fills": fills.count()}


def in_words(quoted: dict[str, dict[str, int]]) -> list[str]:
    """The same of each mode, one line each."""
    return [
        f"{mode}: {n['begun']} baskets quoted, {n['fills']} fills of resting orders, {n['whole']} became whole, {n['alone']} held in part, "
        f"{n['settled']} settled, {n['realised'] / 1_000_000:+.2f} dollars"
        for mode, n in quoted.items()
    ]
