"""Every limit, in one place, checked before every order. The first refusal found counts.

``limits`` needs the database only; it is checked inside the transaction that reserves capital too, where the balance row is
locked and no other worker can slip past a limit. ``market`` needs the live books.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Q, Sum

from kalbot.common import clock
from kalbot.common.units import dollars
from markets import exchange_hours
from markets.models import Certificate, Event, Market
from strategies.models import Decision, Kind, Mode, Profile
from strategies.profiles.blackout import in_blackout
from trading import accounts, foreign, ledger, shard_cash
from trading.denials import DenialCode, Denied, Refusal
from trading.live_books import LiveBooks
from trading.models import ACTIVE, TERMINAL, Account, LedgerEntry, Lock, Order, OrderStatus, Position
from trading.safety import discrepancies, halt, live_readiness

State = halt.State
MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Intent:
    """What is about to be risked: a decision of a profile at its worst cost, micro-dollars.

    ``legs``: (ticker, side) -> worst cost. ``position``: the one it belongs to once there is one; it does not count against
    itself. ``completes``: part of the basket is held already, so that buying the rest takes risk away; what stops new baskets
    does not stop that. ``orders``: how many are sent next when there is a position.
    """

    profile: Profile
    decision: Decision
    worst_cost: int
    legs: Mapping[tuple[str, str], int]
    position: Position | None = None
    completes: bool = False
    orders: int = 1

    @property
    def tickers(self) -> list[str]:
        return sorted({ticker for ticker, _ in self.legs})


def may_send(profile: Profile, *, reduces: bool) -> None:
    """The checks that hold for every order, exits included: trading state and the two switches of live. Raises Denied."""
    state = halt.current(profile)
    if state == State.HALTED or (state == State.REDUCING and not reduces):
        raise Denied(DenialCode.HALTED if state == State.HALTED else DenialCode.REDUCING, f"trading is {state}")
    if profile.mode == Mode.LIVE and not settings.KALBOT_LIVE:
        raise Denied(DenialCode.LIVE_OFF, "KALBOT_LIVE is not set in this environment")


def limits(intent: Intent) -> None:
    """Limits that the database knows. Raises Denied."""
    may_send(intent.profile, reduces=intent.completes)
    for check in _COMPLETING if intent.completes else _LIMITS:
        for refusal in check(intent):
            raise Denied(refusal.code, refusal.detail)


def market(intent: Intent, live: LiveBooks) -> None:
    """Whether the books may be traded on, and whether what the decision rests on is still so. Raises Denied."""
    books(intent, live)
    for refusal in _premises(intent):
        raise Denied(refusal.code, refusal.detail)


def books(intent: Intent, live: LiveBooks) -> None:
    """Whether the books may be traded on. Raises Denied."""
    reason = live.unusable(intent.tickers, intent.profile.max_price_age_ms)
    if reason is not None:
        raise Denied(reason, ", ".join(intent.tickers)[:200])


Checks = Iterator[Refusal]


def _profile(intent: Intent) -> Checks:
    if intent.decision.mode != intent.profile.mode:
        yield Refusal(DenialCode.MODE, f"the decision was {intent.decision.mode}, the profile is {intent.profile.mode}")
    if intent.profile.mode == Mode.LIVE and not live_readiness.is_reconciled():
        yield Refusal(DenialCode.NOT_RECONCILED, "no reconciliation with the exchange since this process began")


def _wanted(intent: Intent) -> Checks:
    if not intent.profile.is_active and intent.position is None:
        yield Refusal(DenialCode.INACTIVE_PROFILE, intent.profile.name)
    if intent.decision.kind not in intent.profile.kinds:
        yield Refusal(DenialCode.KIND, f"{intent.decision.kind} is not among {intent.profile.kinds}")


def _unknown_orders(intent: Intent) -> Checks:
    """Nothing new while it is not known what an order of the same account did: the account may hold more than its rows say."""
    unknown = Order.objects.filter(mode=intent.profile.mode, status=OrderStatus.UNKNOWN)
    if intent.profile.mode == Mode.LIVE:
        unknown = unknown.filter(accounts.of_subaccount(intent.profile.subaccount or 0))
    else:
        unknown = unknown.filter(profile=intent.profile)
    found = unknown.first()
    if found is not None:
        yield Refusal(DenialCode.ORDER_UNKNOWN, f"{found.pk} of position #{found.position_id}")


def _locks(intent: Intent) -> Checks:
    mine = Q(profile=None) | Q(profile=intent.profile)
    lock = Lock.objects.filter(mine, until__gt=clock.now()).order_by("-until").first()
    if lock is not None:
        yield Refusal(DenialCode.LOCKED, f"{lock.code} until {lock.until:%H:%M:%S}: {lock.reason}")
    found = discrepancies.binding(intent.profile)
    if found is not None:
        yield Refusal(DenialCode.DISCREPANCY, f"{found.code} {found.key}: ours {found.ours}, theirs {found.theirs}")


def _times(intent: Intent) -> Checks:
    now = clock.now()
    if in_blackout(intent.profile.blackout, now):
        yield Refusal(DenialCode.BLACKOUT, f"{now:%H:%M} UTC")
    closes = Market.objects.filter(ticker__in=intent.tickers, close_time__isnull=False).values_list(
        "close_time", flat=True
    )
    first = min((at for at in closes if at is not None), default=intent.decision.event.close_time)
    if first is not None and (first - now).total_seconds() < intent.profile.min_seconds_to_close:
        yield Refusal(DenialCode.TOO_CLOSE, f"closes {first:%H:%M:%S}")
    if intent.position is None:
        since = now - timedelta(seconds=intent.profile.cooldown_seconds)
        ended = Position.objects.filter(profile=intent.profile, event=intent.decision.event, status__in=TERMINAL)
        if ended.filter(ended_at__gt=since).exists():
            yield Refusal(
                DenialCode.COOLDOWN,
                f"a basket of {intent.decision.event_id} ended less than {intent.profile.cooldown_seconds} s ago",
            )


def _exchange_hours(intent: Intent) -> Checks:
    """No basket begins while the exchange is shut, shortly before an announced pause, or without knowing."""
    if intent.position is not None:
        return
    found = exchange_hours.obstacle(intent.decision.event.exchange_index, is_live=intent.profile.mode == Mode.LIVE)
    if found is not None:
        yield Refusal(_HOURS[found.why], found.detail)


_HOURS: Final = {
    exchange_hours.Closed.PAUSED: DenialCode.EXCHANGE_PAUSED,
    exchange_hours.Closed.PAUSE_SOON: DenialCode.PAUSE_SOON,
    exchange_hours.Closed.UNKNOWN: DenialCode.HOURS_UNKNOWN,
}


def _foreign(intent: Intent) -> Checks:
    profile = intent.profile
    if profile.mode == Mode.LIVE and intent.position is None and not profile.beside_foreign:
        found = foreign.in_event(intent.decision.event_id, profile.subaccount or 0)
        if found:
            yield Refusal(DenialCode.FOREIGN_CONTRACTS, found)


def _sizes(intent: Intent) -> Checks:
    if intent.worst_cost > intent.profile.max_per_position:
        yield Refusal(DenialCode.MAX_PER_POSITION, f"{intent.worst_cost} of {intent.profile.max_per_position}")
    for (ticker, side), cost in intent.legs.items():
        if cost > intent.profile.max_per_leg:
            yield Refusal(DenialCode.MAX_PER_LEG, f"{side} {ticker}: {cost} of {intent.profile.max_per_leg}")
    others = Position.objects.filter(profile=intent.profile, status__in=ACTIVE)
    if intent.position is not None:
        others = others.exclude(pk=intent.position.pk)
    active = list(others.values_list("event_id", flat=True))
    if intent.position is None and intent.decision.event_id in active:
        yield Refusal(DenialCode.EVENT_TAKEN, f"a position on {intent.decision.event_id} is active")
    at_risk = in_event(intent) + intent.worst_cost
    if at_risk > intent.profile.max_per_event:
        yield Refusal(DenialCode.MAX_PER_EVENT, f"{dollars(at_risk)} of {dollars(intent.profile.max_per_event)}")
    if len(active) + 1 > intent.profile.max_open_positions:
        yield Refusal(DenialCode.MAX_OPEN_POSITIONS, f"{len(active) + 1} of {intent.profile.max_open_positions}")


def in_event(intent: Intent) -> int:
    """What is at risk in the event beside the intent, micro-dollars: what active positions there cost, of every live profile where
    this one is live (the money is one person's), and what this profile has lost in the event on balance already."""
    profile = intent.profile
    rows = Position.objects.filter(event_id=intent.decision.event_id, mode=profile.mode)
    if profile.mode != Mode.LIVE:
        rows = rows.filter(profile=profile)
    if intent.position is not None:
        rows = rows.exclude(pk=intent.position.pk)
    held = result = 0
    for owner, status, cost, reserved, realised in rows.values_list(
        "profile_id", "status", "cost", "reserved", "realised"
    ):
        held += cost + reserved if status in ACTIVE else 0
        result += realised if owner == profile.pk else 0
    return held + max(0, -result)


def _order_rate(intent: Intent) -> Checks:
    sent = Order.objects.filter(profile=intent.profile, created_at__gt=clock.now() - MINUTE).count()
    wanted = len(intent.legs) if intent.position is None else intent.orders
    if sent + wanted > intent.profile.max_orders_per_minute:
        yield Refusal(
            DenialCode.ORDERS_PER_MINUTE,
            f"{sent} sent, {wanted} wanted, {intent.profile.max_orders_per_minute} allowed",
        )


def _losses(intent: Intent) -> Checks:
    lost = -realised_today(intent.profile)
    if lost > 0 and lost >= intent.profile.max_daily_loss:
        zone = intent.profile.day_zone
        yield Refusal(DenialCode.DAILY_LOSS, f"{lost} of {intent.profile.max_daily_loss} since midnight, {zone}")
    balance = ledger.balance_of(intent.profile)
    down = balance.best_equity + balance.realised
    if down > 0 and down >= intent.profile.max_drawdown:
        yield Refusal(DenialCode.DRAWDOWN, f"{down} of {intent.profile.max_drawdown} below the best")


def _shard(intent: Intent) -> Checks:
    if intent.profile.mode == Mode.LIVE and intent.position is None:
        refusal = shard_cash.why_not(intent.profile, intent.decision.event.exchange_index, intent.worst_cost)
        if refusal is not None:
            yield refusal


_LIMITS: Final[tuple[Callable[[Intent], Checks], ...]] = (
    _profile,
    _wanted,
    _unknown_orders,
    _locks,
    _times,
    _exchange_hours,
    _foreign,
    _sizes,
    _order_rate,
    _losses,
    _shard,
)
_COMPLETING: Final[tuple[Callable[[Intent], Checks], ...]] = (_profile,)
"""What limits new risk does not stop the purchase that takes risk away: that is bounded by the legs' limits, or by the budget."""


def _premises(intent: Intent) -> Checks:
    decision = intent.decision
    event = Event.objects.get(pk=decision.event_id)
    if decision.kind == Kind.ALL_NO and not event.mutually_exclusive:
        yield Refusal(DenialCode.NOT_EXCLUSIVE, event.ticker)
    if decision.rules_hash and decision.rules_hash != event.rules_hash:
        yield Refusal(DenialCode.RULES_CHANGED, f"the rules or outcomes of {event.ticker} changed since the decision")
    if decision.kind != Kind.COVERAGE or decision.certificate_id is not None:
        granted = Certificate.objects.filter(status=Certificate.Status.GRANTED)
        found = granted.filter(pk=decision.certificate_id).first() if decision.certificate_id else None
        if found is None or found.rules_hash != event.rules_hash:
            yield Refusal(DenialCode.CERTIFICATE, f"no valid certificate for {event.ticker}")
    legs = Market.objects.filter(ticker__in=intent.tickers)
    if len({leg.exchange_index for leg in legs}) > 1:
        yield Refusal(DenialCode.SHARDS, "the legs are on different shards")
    shut = [leg.ticker for leg in legs if leg.status != "active"]
    if shut:
        yield Refusal(DenialCode.NOT_ACTIVE, ", ".join(shut)[:200])


def realised_today(profile: Profile) -> int:
    """Profit realised since midnight of the profile's time zone, micro-dollars."""
    entries = LedgerEntry.objects.filter(
        transaction__profile=profile, transaction__at__gte=midnight(profile), account=Account.REALISED
    )
    return -(entries.aggregate(t=Sum("amount"))["t"] or 0)


def midnight(profile: Profile) -> datetime:
    """When the profile's day began. A zone that cannot be read counts the last two days: more losses, never fewer."""
    now = clock.now()
    try:
        zone = ZoneInfo(profile.day_zone)
    except (ValueError, OSError, KeyError):
        return now - timedelta(days=2)
    return datetime.combine(now.astimezone(zone).date(), time(), zone)
