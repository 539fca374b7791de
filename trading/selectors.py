"""What screens read about the account."""

from __future__ import annotations

from trading.models import ExchangeAccount


def exchange_difference() -> int | None:
    """The exchange's cash less ours over all live accounts, as the last reconciliation that could compare found it.

    Micro-dollars; None when none could. ``reconcile.run("live", ...)`` compares again.
    """
    found = list(ExchangeAccount.objects.values_list("difference", flat=True))
    known = [one for one in found if one is not None]
    return sum(known) if found and len(known) == len(found) else None
