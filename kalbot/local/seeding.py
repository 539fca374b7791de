"""What the demo has beside a new installation: contract terms that count as read, and profiles that trade live on the simulator."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import QuerySet

from kalbot.local import quoting
from markets.models import ContractTerms
from markets.terms.grades import Grade
from markets.terms.registry import changes, documents
from strategies.models import DOLLAR, Kind, Mode, Profile
from strategies.profiles.seeds import GUARANTEED_ONLY

USUAL_SECONDS_TO_CLOSE, SECONDS_TO_CLOSE = 60, 20
"""Least seconds to the close: what profiles are made with, and what they have in the demo."""
READ_FOR_THE_DEMO: Final = {
    "/terms/TEMPERATURE.txt": "one report, whole degrees, no void.",
    "/terms/LAUNCH.txt": "one day for all dates, no void.",
    "/terms/BTC.txt": "one average at one instant for ranges and thresholds, no void.",
}


def approve_simulated_terms() -> None:
    """The demo's risk manager approves the simulator's documents about temperatures, launches and Bitcoin, not the one about Ethereum: so
    both grades are traded."""
    documents.check_all()
    for url, note in READ_FOR_THE_DEMO.items():
        entry = ContractTerms.objects.get(exchange="simulator", url=url, version=1)
        if entry.status == ContractTerms.Status.PROPOSED and entry.fetched_sha256:
            changes.approve(entry, entry.fetched_sha256, "demo", f"Read for the demo: {note}")


def trade_live_on_the_simulator() -> None:
    """The demo's live profile, whose exchange is the simulator. Nowhere else is one made without the console's dialog."""
    quoting.seed()

    live, made = Profile.objects.get_or_create(
        name="live",
        defaults={
            **GUARANTEED_ONLY,
            "least_grade": Grade.IF_DETERMINED.value,
            "mode": Mode.LIVE,
            "capital": 10_000 * DOLLAR,
            "description": "Orders to the simulated exchange of the demo, for baskets that pay more than they cost; no bets.",
        },
    )
    if made:
        across = [*GUARANTEED_ONLY["kinds"], Kind.FAMILY.value]
        _set(Profile.objects.filter(name__in=["careful", "live"], kinds=GUARANTEED_ONLY["kinds"]), kinds=across)
    # Events of the demo live about ninety seconds: the usual minute before the close would leave hardly any of it.
    usual = Profile.objects.filter(min_seconds_to_close=USUAL_SECONDS_TO_CLOSE)
    _set(usual, min_seconds_to_close=SECONDS_TO_CLOSE)
    # A bet, not arbitrage: for triage's story only. A new installation keeps it switched off.
    _set(Profile.objects.filter(name="coverage", is_active=False), is_active=True)
    if not made and not live.is_active:  # an earlier version seeded it; the upgrade switched it off
        _set(Profile.objects.filter(pk=live.pk), is_active=True)


def _set(profiles: QuerySet[Profile], **columns: Any) -> None:
    """Change profiles with the demo's name in their history."""
    for profile in profiles:
        for name, value in columns.items():
            setattr(profile, name, value)
        profile._change_reason = "as the demo needs it"  # type: ignore[attr-defined]
        profile.save(update_fields=[*columns, "updated_at"])
