"""Contracts of markets that have ended and that cannot be booked yet: named once that has taken too long, until they are.

The exchange's record comes a moment after the result. Without one after that time, nothing was credited; records that cannot be read say
neither.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.conf import settings

from kalbot.common import clock
from kalbot.common.db.prepared import Prepared
from strategies.models import Mode
from trading.accounting import accounts
from trading.closing.finals import Credit, FinalResult
from trading.models import Discrepancy, Leg, Reconciliation
from trading.safety import discrepancies

CODE = Discrepancy.Code.SETTLEMENT_WAITING


def is_late(key: tuple[str, int], final: FinalResult) -> bool:
    """Whether the record of (ticker, subaccount) should long be there. Where nobody says since when the result is final, the time counts
    from when it was named."""
    since = final.at
    if since is None:
        since = (
            Discrepancy.objects.filter(code=CODE, key=_name(key), resolved_at=None)
            .values_list("first_seen_at", flat=True)
            .first()
        )
    return since is not None and clock.now() - since > timedelta(seconds=settings.KALBOT_WAITING_LIMIT_SECONDS)


def name(
    key: tuple[str, int],
    legs: list[Leg],
    final: FinalResult,
    credit: Credit | None,
    reconciliation: Reconciliation | None,
) -> None:
    """Name what ``legs`` of one market and subaccount hold although it has ended."""
    discrepancies.found(
        reconciliation,
        CODE,
        _name(key),
        ours=f"{sum(leg.held for leg in legs) / 100:g} held of a market that ended as {final.result}",
        theirs="the settlement records cannot be read" if credit is None else "no record yet",
        profile=legs[0].position.profile,
        tightens=False,
    )


def take_back_names() -> None:
    """End the names of what is booked by now."""
    for row in _NAMED.rows():
        subaccount, _, ticker = row.key.partition(":")
        of = accounts.of_subaccount(int(subaccount), "position__profile__")
        legs = Leg.objects.filter(of, position__mode=Mode.LIVE, market_id=ticker)
        if not any(leg.held for leg in legs):
            discrepancies.close(row, actor=discrepancies.ACTOR, resolution="its contracts are booked")


_NAMED: Final = Prepared(lambda: Discrepancy.objects.filter(code=CODE, resolved_at=None))


def _name(key: tuple[str, int]) -> str:
    return f"{key[1]}:{key[0]}"
