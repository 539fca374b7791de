"""YES of ours and NO of somebody else in one market, or the other way round: the exchange has closed such pairs and paid a dollar for each.

That happens where their trade is booked while our purchase is on its way. Ours leave the leg for what they had cost without fees, so that
nothing is won or lost by it, and the rest of the dollar is theirs.
"""

from __future__ import annotations

import logging

from django.db import transaction

from kalbot.common.units import CONTRACT, DOLLAR
from trading.accounting import account_ledger, booking
from trading.models import AccountTransaction, ExchangeAccount, Leg
from trading.reconciliation import foreign

log = logging.getLogger(__name__)


def close() -> int:
    """Book the pairs of every account. Returns how many legs."""
    count = 0
    for account in ExchangeAccount.objects.all():
        for ticker in sorted(account.foreign):
            with transaction.atomic():
                locked = ExchangeAccount.objects.select_for_update().get(pk=account.pk)
                count += sum(_close(locked, leg) for leg in foreign.own_legs(account.subaccount, ticker))
    return count


def _close(account: ExchangeAccount, leg: Leg) -> bool:
    account.refresh_from_db(fields=["foreign"])
    theirs = account.foreign.get(leg.market_id, 0)
    count = min(leg.held, abs(theirs))
    if not count or (theirs > 0) == (leg.side == "yes"):
        return False
    cost, fees = booking.cost_share(leg, count)
    key = f"pair:{leg.pk}:{leg.bought_count}:{leg.sold_count}"
    evidence = {"leg": leg.pk, "count": count, "held": leg.held, "others": theirs}
    why = "closed against contracts of the other side that are not ours"
    booking.correct(
        leg.pk, count=count, proceeds=cost - fees, key=key, evidence=evidence, actor="reconciliation", reason=why
    )
    account_ledger.post(
        account,
        AccountTransaction.Kind.TRADE,
        key,
        amount=count * DOLLAR // CONTRACT - (cost - fees),
        shard=leg.market.exchange_index,
        ticker=leg.market_id,
        count=count if theirs < 0 else -count,
        evidence=evidence,
        reason=why,
    )
    log.warning("%s contracts of %s were closed against somebody else's", count / 100, leg)
    return True
