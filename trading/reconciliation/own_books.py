"""What must hold in our own books whatever the exchange says: running totals, positions, legs and fills count the same.

All of it is read at one moment, and what differs is read once more before it counts: a booking under way is no difference.
A row whose difference a later comparison does not find is closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kalbot.common import clock
from kalbot.common.db.snapshot import snapshot
from strategies.models import Profile
from trading.accounting import accounts, audit, balance_check
from trading.models import Discrepancy, Reconciliation
from trading.safety import discrepancies

SECOND_READ_SECONDS: Final = 0.5


@dataclass(frozen=True)
class Difference:
    """Two ways of counting that disagree."""

    ours: str
    theirs: str
    profile: Profile
    amount: int | None = None
    """By how much, where both are totals that go on with every booking."""


Found = dict[tuple[Discrepancy.Code, str], Difference]


def compare(row: Reconciliation) -> None:
    """Name what differs in two reads, and close what does not differ any more."""
    found = differences(row.mode)
    if found:
        clock.sleep(SECOND_READ_SECONDS)
        again = differences(row.mode)
        found = {key: again[key] for key in found if key in again}
    for (code, key), one in found.items():
        discrepancies.found(row, code, key, ours=one.ours, theirs=one.theirs, amount=one.amount, profile=one.profile)
    own = Discrepancy.objects.filter(discrepancies.IN_MIND, mode=row.mode, code__in=discrepancies.OWN_COUNTS)
    for known in own:
        if (Discrepancy.Code(known.code), known.key) not in found:
            (discrepancies.disproved if known.resolved_at is None else discrepancies.is_over)(known)


def differences(mode: str) -> Found:
    """(code, key) -> what differs at this moment in the books of ``mode``."""
    found: Found = {}
    with snapshot():
        for profile in Profile.objects.filter(mode=mode, balance__isnull=False):
            for account, running, summed in audit.totals(profile):
                key = Discrepancy.Code.LEDGER, f"{profile.name}:{account}"
                found[key] = Difference(str(running), str(summed), profile, running - summed)
            if difference := balance_check.summary(profile)["difference"]:
                found[Discrepancy.Code.LEDGER_POSITIONS, profile.name] = Difference(str(difference), "0", profile)
        for position, name, running, summed in audit.positions(mode):
            key = Discrepancy.Code.LEDGER_POSITIONS, f"position {position.pk}: {name}"
            found[key] = Difference(str(running), str(summed), position.profile, running - summed)
        for leg in accounts.legs_unlike_their_fills(mode):
            profile = leg.position.profile
            found[Discrepancy.Code.LEG_FILLS, str(leg.pk)] = Difference(str(leg.held), "sum of fills", profile)
    return found
