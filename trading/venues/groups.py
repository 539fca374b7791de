"""Order groups: the quotes of one basket, which the exchange cancels together once so many contracts of them have filled within 15 s.

So what fills before the others are taken is bounded however late a worker hears of it. A group refuses orders after that until it is
reset. On paper the group is a name: ``trading.venues.paper`` counts the fills of its orders itself.

A group has no name of ours at the exchange, so before one is requested the position's row says so (``MAKING``), with how many nameless
groups of that size there were: one more of them after a lost answer or a death is ours.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from kalbot.common import clock
from kalbot.common.db.prepared import Prepared
from kalbot.common.units import CONTRACT, Count
from markets.kalshi.errors import KalshiError, NotFound, OutcomeUnknown, RateLimited
from strategies.models import Mode
from trading.denials import DenialCode, Refusal
from trading.models import Order, PaperOrder, Position, PositionStatus
from trading.venues import connection

WINDOW: Final = timedelta(seconds=15)
"""Fills of a group count for so long."""
QUOTED: Final = (PositionStatus.PENDING, PositionStatus.QUOTING, PositionStatus.COMPLETING)
"""While a basket is one of these, its group may be wanted again."""
MAKING: Final = "making:"
"""``Position.order_group`` while it is not known which group it has, with the number of nameless ones before."""
log = logging.getLogger(__name__)


def limit_of(position: Position) -> Count:
    """Contracts (1/100) at which the exchange cancels the basket's quotes: one leg filled whole and a contract more.

    The first leg alone does not reach it: what our own cancel takes out is known to be out, while an order that somebody else cancelled
    may have filled for as long as ``KALBOT_FINAL_AFTER_SECONDS``, and its leg is not bought before.
    """
    return Count(position.target_count + CONTRACT)


def ready(position: Position, keep_back: int) -> Refusal | None:
    """Let the basket have a group that takes orders, while none of its quotes rests, and leave ``keep_back`` write tokens. None, or why it
    has none now."""
    if position.mode != Mode.LIVE:
        _store(position, f"paper-{position.pk}-{clock.now_ms()}")
        return None
    try:
        if position.order_group.startswith(MAKING):
            _store(position, _made_before(position))
        if not (position.order_group and _is_reset(position, keep_back)):
            _create(position, keep_back)
    except RateLimited as error:
        return Refusal(DenialCode.RATE_LIMIT, str(error)[:200])
    except KalshiError as error:
        log.warning("position %s: no order group (%s)", position.pk, error)
        return Refusal(DenialCode.NO_ORDER_GROUP, str(error)[:200])
    return None


def count_paper_fill(order: Order) -> None:
    """Cancel the paper orders of a group whose fills have reached its limit, as the exchange does. Inside the fill's transaction."""
    if not order.order_group:
        return
    since = clock.now_ms() - int(WINDOW.total_seconds() * 1000)
    rows = PaperOrder.objects.filter(order__order_group=order.order_group)
    booked = [one for fills in rows.values_list("fills", flat=True) for one in fills]
    filled = sum(count for _, _, count, _, _, ms, *_ in booked if ms > since)
    if filled >= limit_of(order.position):
        rows.filter(is_open=True).update(is_open=False, remaining_count=0)


def delete_ended() -> int:
    """Remove the groups of baskets that are quoted no more, and with them whatever might still rest. Returns how many."""
    return sum(_delete(position) for position in _ENDED.rows())


_ENDED: Final = Prepared(
    lambda: Position.objects.exclude(order_group="").exclude(status__in=QUOTED).select_related("profile", "event")
)


def _create(position: Position, keep_back: int) -> None:
    groups = connection.client().orders.groups
    _store(position, f"{MAKING}{len(_nameless(position))}")
    try:
        shard, subaccount = position.event.exchange_index, position.profile.subaccount
        name = groups.create(limit_of(position), shard, subaccount, keep_back=keep_back)
    except OutcomeUnknown:
        raise
    except KalshiError:
        _store(position, "")
        raise
    _store(position, name)


def _made_before(position: Position) -> str:
    """The group that was made for it although nobody stored which; empty where there is none, or where it may be
    somebody else's."""
    found, before = _nameless(position), int(position.order_group.removeprefix(MAKING))
    if len(found) > before > 0:
        log.warning("position %s: one of %s empty order groups is left at the exchange", position.pk, len(found))
    if len(found) != 1 or before or _may_be_anothers(position, found[0]):
        return ""
    return found[0]


def _may_be_anothers(position: Position, name: str) -> bool:
    """Whether the request of another basket may have made the group: that one waits for its answer, or has stored it since."""
    others = Position.objects.exclude(pk=position.pk)
    return others.filter(order_group__startswith=MAKING).exists() or others.filter(order_group=name).exists()


def _nameless(position: Position) -> list[str]:
    """Groups of the size of its own that no position names and that have no orders: the exchange's ids."""
    client, subaccount = connection.client().orders.groups, position.profile.subaccount
    listed = [one for one in client.list(subaccount) if one.contracts_limit == limit_of(position)]
    ids = [one.order_group_id for one in listed if one.exchange_index in (None, position.event.exchange_index)]
    named = set(Position.objects.filter(order_group__in=ids).values_list("order_group", flat=True))
    return [one for one in ids if one not in named and not client.get(one, subaccount).order_ids]


def _store(position: Position, name: str) -> None:
    Position.objects.filter(pk=position.pk).update(order_group=name)
    position.order_group = name


def _is_reset(position: Position, keep_back: int) -> bool:
    """Whether its group takes orders again. False where there is none any more; KalshiError where that is not known."""
    groups = connection.client().orders.groups
    try:
        shard, subaccount = position.event.exchange_index, position.profile.subaccount
        groups.reset(position.order_group, shard, subaccount, keep_back=keep_back)
    except NotFound as error:
        log.warning("position %s: order group not reset (%s)", position.pk, error)
        return False
    return True


def _delete(position: Position) -> bool:
    """False where the exchange did not answer: it is tried again."""
    stored = position.order_group
    if position.mode == Mode.LIVE:
        try:
            name = _made_before(position) if stored.startswith(MAKING) else stored
            if name:
                subaccount = position.profile.subaccount
                connection.client().orders.groups.delete(name, position.event.exchange_index, subaccount)
        except NotFound:
            pass
        except KalshiError as error:
            log.warning("position %s: order group not deleted (%s)", position.pk, error)
            return False
    return bool(Position.objects.filter(pk=position.pk, order_group=stored).update(order_group=""))
