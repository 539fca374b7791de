"""Every limit, in one place, before every order. A refusal is a code and a sentence; the first one found counts.

``standing`` needs the database only and is asked twice: before prices are read, and again inside the transaction that
reserves capital, where the balance row is locked and no other worker can slip past a limit. ``market`` needs the live books.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

from django.conf import settings
from django.db.models import Q, Sum

from kalbot.common import clock
from kalbot.common.errors import Infeasible
from kalbot.common.units import dollars
from markets.models import Certificate, Event, Market
from strategies.models import Decision, Kind, Mode, Profile
from trading import accounts, ledger
from trading.live_books import Quotes
from trading.models import ACTIVE, TERMINAL, Account, LedgerEntry, Lock, Order, Position
from trading.safety import gate, halt

State = halt.State
MINUTE: Final = timedelta(minutes=1)


class Denied(Infeasible):
    """The order must not be sent; ``code`` says why."""


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
        raise Denied(str(state), f"trading is {state}")
    if profile.mode == Mode.LIVE and not settings.KALBOT_LIVE:
        raise Denied("live_off", "KALBOT_LIVE is not set in this environment")


def standing(intent: Intent) -> None:
    """Limits that the database knows. Raises Denied."""
    may_send(intent.profile, reduces=False)
    for check in _COMPLETING if intent.completes else _STANDING:
        for code, detail in check(intent):
            raise Denied(code, detail)


def market(intent: Intent, quotes: Quotes) -> None:
    """Whether the books may be traded on, and whether what the decision rests on still stands. Raises Denied."""
    books(intent, quotes)
    for code, detail in _grounds(intent):
        raise Denied(code, detail)


def books(intent: Intent, quotes: Quotes) -> None:
    """Whether the books may be traded on. Raises Denied."""
    reason = quotes.unusable(intent.tickers, intent.profile.max_price_age_ms)
    if reason is not None:
        raise Denied(f"price_{reason}", ", ".join(intent.tickers)[:200])


Checks = Iterator[tuple[str, str]]


def _profile(i: Intent) -> Checks:
    if i.decision.mode != i.profile.mode:
        yield "mode", f"the decision was {i.decision.mode}, the profile is {i.profile.mode}"
    if not i.profile.is_active and i.position is None:
        yield "inactive_profile", i.profile.name
    if i.decision.kind not in i.profile.kinds:
        yield "kind", f"{i.decision.kind} is not among {i.profile.kinds}"
    if i.profile.mode == Mode.LIVE and not gate.is_open():
        yield "not_reconciled", "no reconciliation with the exchange since this process began"


def _locks(i: Intent) -> Checks:
    mine = Q(profile=None) | Q(profile=i.profile)
    lock = Lock.objects.filter(mine, until__gt=clock.now()).order_by("-until").first()
    if lock is not None:
        yield "locked", f"{lock.code} until {lock.until:%H:%M:%S}: {lock.reason}"


def _times(i: Intent) -> Checks:
    now = clock.now()
    if in_blackout(i.profile.blackout, now):
        yield "blackout", f"{now:%H:%M} UTC"
    closes = Market.objects.filter(ticker__in=i.tickers, close_time__isnull=False).values_list("close_time", flat=True)
    first = min((at for at in closes if at is not None), default=i.decision.event.close_time)
    if first is not None and (first - now).total_seconds() < i.profile.min_seconds_to_close:
        yield "too_close", f"closes {first:%H:%M:%S}"
    if i.position is None:
        since = now - timedelta(seconds=i.profile.cooldown_seconds)
        ended = Position.objects.filter(profile=i.profile, event=i.decision.event, status__in=TERMINAL)
        if ended.filter(ended_at__gt=since).exists():
            yield "cooldown", f"a basket of {i.decision.event_id} ended less than {i.profile.cooldown_seconds} s ago"


def _sizes(i: Intent) -> Checks:
    if i.worst_cost > i.profile.max_per_position:
        yield "max_per_position", f"{i.worst_cost} of {i.profile.max_per_position}"
    for (ticker, side), cost in i.legs.items():
        if cost > i.profile.max_per_leg:
            yield "max_per_leg", f"{side} {ticker}: {cost} of {i.profile.max_per_leg}"
    others = Position.objects.filter(profile=i.profile, status__in=ACTIVE)
    if i.position is not None:
        others = others.exclude(pk=i.position.pk)
    active = list(others.values_list("event_id", "cost", "reserved"))
    here = [cost + reserved for event_id, cost, reserved in active if event_id == i.decision.event_id]
    if i.position is None and here:
        yield "event_taken", f"a position on {i.decision.event_id} is active"
    at_risk = sum(here) + i.worst_cost
    if at_risk > i.profile.max_per_event:
        yield "max_per_event", f"{at_risk} of {i.profile.max_per_event}"
    if len(active) + 1 > i.profile.max_open_positions:
        yield "max_open_positions", f"{len(active) + 1} of {i.profile.max_open_positions}"


def _pace(i: Intent) -> Checks:
    sent = Order.objects.filter(profile=i.profile, created_at__gt=clock.now() - MINUTE).count()
    wanted = len(i.legs) if i.position is None else i.orders
    if sent + wanted > i.profile.max_orders_per_minute:
        yield "orders_per_minute", f"{sent} sent, {wanted} wanted, {i.profile.max_orders_per_minute} allowed"


def _losses(i: Intent) -> Checks:
    lost = -realised_today(i.profile)
    if lost > 0 and lost >= i.profile.max_daily_loss:
        yield "daily_loss", f"{lost} of {i.profile.max_daily_loss} since midnight UTC"
    balance = ledger.balance_of(i.profile)
    down = balance.best_equity + balance.realised
    if down > 0 and down >= i.profile.max_drawdown:
        yield "drawdown", f"{down} of {i.profile.max_drawdown} below the best"


def _shard(i: Intent) -> Checks:
    if i.profile.mode == Mode.LIVE and i.position is None:
        shard = i.decision.event.exchange_index
        free = accounts.free_on_shard(i.profile.subaccount or 0, shard)
        if free is not None and i.worst_cost > free:
            yield (
                "shard_cash",
                f"{dollars(i.worst_cost)} wanted, {dollars(free)} free on shard {shard}; move cash there at the exchange",
            )


_STANDING: Final[tuple[Callable[[Intent], Checks], ...]] = (_profile, _locks, _times, _sizes, _pace, _losses, _shard)
_COMPLETING: Final[tuple[Callable[[Intent], Checks], ...]] = (_profile, _sizes)


def _grounds(i: Intent) -> Checks:
    decision = i.decision
    event = Event.objects.get(pk=decision.event_id)
    if decision.kind == Kind.ALL_NO and not event.mutually_exclusive:
        yield "not_exclusive", event.ticker
    if decision.rules_hash and decision.rules_hash != event.rules_hash:
        yield "rules_changed", f"the rules or outcomes of {event.ticker} changed since the decision"
    if decision.kind == Kind.ALL_YES or decision.certificate_id is not None:
        granted = Certificate.objects.filter(status=Certificate.Status.GRANTED)
        found = granted.filter(pk=decision.certificate_id).first() if decision.certificate_id else None
        if found is None or found.rules_hash != event.rules_hash:
            yield "certificate", f"no standing certificate for {event.ticker}"
    legs = Market.objects.filter(ticker__in=i.tickers)
    if len({leg.exchange_index for leg in legs}) > 1:
        yield "shards", "the legs are on different shards"
    shut = [leg.ticker for leg in legs if leg.status != "active"]
    if shut:
        yield "not_active", ", ".join(shut)[:200]


def realised_today(profile: Profile) -> int:
    """Profit realised since midnight UTC, micro-dollars."""
    now = clock.now()
    midnight = datetime.combine(now.date(), time(), UTC)
    entries = LedgerEntry.objects.filter(
        transaction__profile=profile, transaction__at__gte=midnight, account=Account.REALISED
    )
    return -(entries.aggregate(t=Sum("amount"))["t"] or 0)


def in_blackout(blackout: list[list[str]], now: datetime) -> bool:
    """Whether ``now`` (UTC) lies in one of the ``[["07:00", "09:00"], ...]``; a range may cross midnight. What cannot be
    read counts as a blackout."""
    try:
        ranges = [(time.fromisoformat(start), time.fromisoformat(end)) for start, end in blackout]
    except (TypeError, ValueError):
        return True
    at = now.timetz().replace(tzinfo=None)
    return any(s <= at < e if s <= e else (at >= s or at < e) for s, e in ranges)
