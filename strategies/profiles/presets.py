"""Presets of the form for a new profile: what each does, what it can lose, and its columns. All of them start on paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from markets.terms.grades import Grade
from strategies.models import DOLLAR, Kind, Profile
from strategies.profiles.seeds import SEEDED


@dataclass(frozen=True, slots=True)
class Preset:
    """``columns``: those that differ from the model's defaults."""

    title: str
    does: str
    can_lose: str
    columns: dict[str, Any]


def _seeded(name: str) -> dict[str, Any]:
    return {key: value for key, value in SEEDED[name].items() if key not in ("mode", "is_active")}


PRESETS: Final[dict[str, Preset]] = {
    "careful": Preset(
        "Careful",
        "Buys baskets that pay more than they cost however the event ends, and only on contract terms that a person has registered. It "
        "buys seldom: most events have no registered terms, and most baskets cost a little more than they pay.",
        "A basket that fills in part is completed or sold again, for at most $5.00 of loss each; $50.00 of losses end the day and a fall "
        "of $200.00 ends buying. What the exchange decides at its discretion can break any guarantee.",
        _seeded("careful"),
    ),
    "balanced": Preset(
        "Balanced",
        "As careful, but also on events of which every rule was read while nobody has registered the contract terms. It finds "
        "several times as many baskets.",
        "As careful, and all that a basket cost where the terms hold a settlement that the rules do not name. Read the terms of "
        "what it buys, and register them.",
        _seeded("balanced"),
    ),
    "quotes": Preset(
        "Quotes",
        "As balanced, and where taking every leg of NO does not pay it rests all of them at their best bids, from when it considers an "
        "event to six hours before the end. What fills without the rest is held until it settles: on recorded prints of 749 weather events "
        "that earned 13 to 33 cents an event, selling it lost.",
        "As balanced. Beside that, what was filled alone is a bet with about fair odds: at most $10.00 of it in one event and $50.00 of "
        "quotes begun on one day can be lost. Who sells to a resting bid often knows more.",
        _seeded("balanced")
        | {
            "description": "On paper: as balanced, and NO on every outcome rests at the best bids.",
            "quoting": Profile.Quoting.ALL_LEGS.value,
            "quote_sides": Profile.QuoteSides.NO.value,
            "watch_margin_ppm": 200_000,
        },
    ),
    "paper-trial": Preset(
        "Paper trial",
        "Buys small baskets of every kind, a cent of profit is enough, to show within a day what the machine sees and does. Coverage "
        "baskets are bets on the likely outcomes.",
        "Nothing but paper. Do not go live with it: on recorded events bets on the likeliest outcomes lost money, and a cent "
        "of profit does not pay for the leg risk.",
        {
            "description": "On paper: small baskets of every kind, to learn from.",
            "kinds": [Kind.ALL_YES.value, Kind.ALL_NO.value, Kind.COVERAGE.value],
            "least_grade": Grade.IF_DETERMINED.value,
            "capital": 500 * DOLLAR,
            "max_per_event": 20 * DOLLAR,
            "max_per_position": 20 * DOLLAR,
            "max_per_leg": 20 * DOLLAR,
            "max_open_positions": 25,
            "min_profit": DOLLAR // 100,
            "min_margin_ppm": 0,
            "min_expected_margin_ppm": -20_000,
            "watch_margin_ppm": 100_000,
        },
    ),
}
"""name -> preset, in the order of the form."""
FIRST: Final = "careful"


def values(name: str) -> dict[str, Any]:
    """The columns of a preset; those of the first one for a name that is none."""
    return dict(PRESETS.get(name, PRESETS[FIRST]).columns)


def profile(name: str) -> Profile:
    """An unsaved profile of a preset."""
    return Profile(name=name, **values(name))
