"""What the limits depend on, read in one statement: states, locks, differences, what is at risk, what was sent and lost.

Read behind the lock of the profile's balance it is what admission decides on. Nothing of it is kept: the profile with its limits is read
in the same statement, so that no old limit is ever used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final
from uuid import UUID

from django.db.models import (
    BigIntegerField,
    CharField,
    Count,
    DateTimeField,
    Exists,
    Expression,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    UUIDField,
    Value,
)
from django.db.models.functions import Coalesce

from kalbot.common import clock
from kalbot.common.db.pipeline import Statement
from kalbot.common.db.prepared import Param, Prepared, total
from markets.models import Market
from strategies.models import Decision, Mode, Profile
from strategies.profiles import sharing
from trading.accounting import shard_cash
from trading.accounting.accounts import of_subaccount
from trading.accounting.shard_cash import SUBACCOUNT
from trading.limits import event_markets
from trading.limits.orphans_of_day import limits_of_day
from trading.models import (
    ACTIVE,
    TERMINAL,
    Account,
    Denial,
    ExchangeAccount,
    ForeignOrder,
    LedgerEntry,
    LedgerTransaction,
    Order,
    OrderStatus,
    Position,
)
from trading.models.money import REALISES
from trading.safety import discrepancies, halt, live_readiness, protections

MINUTE: Final = timedelta(minutes=1)
LEFT_BEHIND: Final = timedelta(seconds=10)
"""Sending takes no longer: the worker of an older order is gone, and nobody knows what became of it."""
_UNCLEAR: Final = (OrderStatus.SENDING, OrderStatus.UNKNOWN)
"""Of orders of unknown outcome, so that SQLite finds them by an index."""
NOBODY: Final = 0
"""Stands for no position: ids begin at 1."""
_DECISION = Param("decision", UUIDField())
_OWNER, _ITSELF = Param("profile", BigIntegerField()), Param("position", BigIntegerField())
_NOW, _MINUTE_AGO, _MIDNIGHT, _RECONCILED, _LEFT_BEHIND = (
    Param(name, DateTimeField()) for name in ("now", "minute_ago", "midnight", "reconciled", "left_behind")
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What was true of ``decision``, its profile and its event at one moment. Money micro-dollars, ids of rows that forbid a basket or
    None.

    ``mode``: the profile's. ``at_risk``: in the event, beside ``position``: what active positions there cost, of every live profile
    where this one is live (the money is one person's), and what this profile has lost there on balance. ``drawdown``: below the best
    result. ``quotes``: that rest; ``orphans_today``: what may be, or was left, alone today. ``collateral``: how it is returned.
    ``free_on_shard``: None in paper, and before the account was first read. ``unbooked``: capital that the ledger does not have yet.
    """

    decision: Decision
    mode: str
    state: halt.State
    is_reconciled: bool
    is_denied: bool = False
    unknown_order: UUID | None = None
    lock: int | None = None
    discrepancy: int | None = None
    last_ended: datetime | None = None
    is_taken: bool = False
    active: int = 0
    at_risk: int = 0
    sent: int = 0
    realised_today: int = 0
    drawdown: int = 0
    unbooked: int = 0
    quotes: int = 0
    orphans_today: int = 0
    is_beside_foreign: bool = False
    free_on_shard: int | None = None
    collateral: tuple[str, Any] | None = None

    @property
    def profile(self) -> Profile:
        return self.decision.profile

    def is_of(self, collateral: tuple[str, Any] | None) -> bool:
        """Whether collateral is still returned as it was read; on paper the profile says how."""
        return self.mode != Mode.LIVE or self.collateral == collateral


def reading(decision: Decision, midnight: datetime, position: int | None) -> Statement:
    """The statement of ``of_new_risk``."""
    query, values = of_new_risk(decision, midnight, position)
    return query.statement(**values)


def of_new_risk(
    decision: Decision, midnight: datetime, position: int | None
) -> tuple[Prepared[Decision], dict[str, Any]]:
    """The query that reads the facts of now, with its values; ``of_rows`` takes what it returns. ``position``: the one that does not count
    against itself. ``midnight``: since when losses of the day count."""
    now, profile = clock.now(), decision.profile
    return _query_of(decision), {
        "decision": decision.pk,
        "event": decision.event_id,
        "position": position or NOBODY,
        "subaccount": profile.subaccount or 0,
        "shard": decision.event.exchange_index,
        "now": now,
        "minute_ago": now - MINUTE,
        "left_behind": now - LEFT_BEHIND,
        "midnight": midnight,
        **values_of_every_purchase(profile),
    }


def of_rows(decision: Decision, rows: Sequence[Any], *, made: bool = False) -> Facts:
    """The facts by the rows of ``of_new_risk``, as the database gives them or ``made``. Decision.DoesNotExist if the decision is gone."""
    live = decision.mode == Mode.LIVE
    row: Any = next(iter(rows if made else _query_of(decision).made(rows)), None)
    if row is None:
        raise Decision.DoesNotExist(decision.pk)
    booked = row.booked_capital or 0
    return replace(
        of_every_purchase(row, row),
        is_denied=row.is_denied,
        unknown_order=row.unknown_order,
        lock=row.lock,
        discrepancy=row.open_discrepancy,
        last_ended=row.last_ended,
        is_taken=row.is_taken,
        active=row.active or 0,
        at_risk=(row.held or 0) + max(0, -(row.result or 0)),
        sent=row.sent or 0,
        realised_today=-(row.realised_today or 0),
        drawdown=(row.best_equity or 0) + (row.booked_result or 0),
        unbooked=row.profile.working + booked,
        quotes=row.quotes or 0,
        orphans_today=row.orphans_today or 0,
        is_beside_foreign=live and bool(row.foreign_orders or row.foreign),
        free_on_shard=shard_cash.left(row, row.shards, row.cash, decision.event.exchange_index)
        if sharing.shares(decision.profile) and row.cash is not None
        else None,
        collateral=(row.collateral, row.reading or {}) if live and row.collateral else None,
    )


def of_every_purchase(row: Any, decision: Decision) -> Facts:
    """The facts of a purchase that completes a basket, by a row with the annotations below."""
    state = halt.stricter(row.global_state, row.own_state)
    return Facts(decision, row.profile_mode or "", state, bool(row.is_reconciled))


def annotations_of_every_purchase(live: bool) -> dict[str, Any]:
    """What ``of_every_purchase`` takes, as annotations of any query that is run with ``values_of_every_purchase``."""
    return {
        **halt.stored(Param("scope", CharField())),
        "is_reconciled": Exists(live_readiness.reconciliations(_RECONCILED)) if live else Value(1),
        "profile_mode": Subquery(Profile.objects.filter(pk=_OWNER).order_by().values("mode")[:1]),
    }


def values_of_every_purchase(profile: Profile) -> dict[str, Any]:
    """The parameters of the annotations."""
    return {
        "profile": profile.pk,
        "scope": halt.scope_of(profile),
        "reconciled": live_readiness.counts_since(),
    }


def results(since: datetime | Expression) -> QuerySet[Any]:
    """Transactions by which profiles may have made or lost something since a moment, with how much as ``result``; a loss is positive."""
    booked = LedgerTransaction.objects.filter(REALISES, at__gte=since)
    entries = LedgerEntry.objects.filter(transaction=OuterRef("pk"), account=Account.REALISED)
    return booked.annotate(result=Coalesce(F("realised"), total(entries, F("amount"))))


def _query_of(decision: Decision) -> Prepared[Decision]:
    return _query(decision.mode, sharing.shares(decision.profile), bool(decision.profile.subaccount))


@cache
def _query(mode: str, shared: bool, numbered: bool) -> Prepared[Decision]:
    """The statement of one sort of profile: live or paper, beside others of its account or alone, on a numbered subaccount or not."""

    def build() -> QuerySet[Decision]:
        found = Decision.objects.filter(pk=_DECISION).select_related("profile")
        every = annotations_of_every_purchase(mode == Mode.LIVE)
        return found.annotate(**every, **_columns_of_new_risk(mode, shared, numbered))

    return Prepared(build)


def _columns_of_new_risk(mode: str, shared: bool, numbered: bool) -> dict[str, Any]:
    own = Position.objects.filter(profile=_OWNER)
    others = own.exclude(pk=_ITSELF).filter(status__in=ACTIVE)
    here = Position.objects.exclude(pk=_ITSELF).filter(event_markets.overlaps())
    account = of_subaccount(SUBACCOUNT) if numbered else of_subaccount(0)
    left = Q(status=OrderStatus.SENDING, sent_at__lt=_LEFT_BEHIND)
    unknown = Order.objects.filter(Q(status=OrderStatus.UNKNOWN) | left, status__in=_UNCLEAR)
    others_too = sharing.beside(mode) if shared else {"mode": mode, "profile": _OWNER}
    unknown = unknown.filter(account if shared else Q(), **others_too)
    at_risk = here.filter(**others_too)
    binding = discrepancies.binding(_OWNER, mode, account)
    return {
        "unknown_order": _first(unknown),
        "lock": _first(protections.in_force(_OWNER, _NOW).order_by("-until")),
        "open_discrepancy": _first(binding.order_by("id")),
        "last_ended": Subquery(
            own.filter(event_markets.overlaps(), status__in=TERMINAL, ended_at__isnull=False)
            .order_by("-ended_at")
            .values("ended_at")[:1]
        ),
        "is_taken": Exists(others.filter(event_markets.overlaps())),
        "active": Subquery(others.order_by().values("profile").annotate(n=Count("pk")).values("n")),
        "quotes": Subquery(
            others.filter(opened_at=None)
            .exclude(quoting="")
            .order_by()
            .values("profile")
            .annotate(n=Count("pk"))
            .values("n")
        ),
        "orphans_today": limits_of_day(own.exclude(pk=_ITSELF), _MIDNIGHT),
        "held": total(at_risk.filter(status__in=ACTIVE), F("cost") + F("reserved")),
        "result": total(here.filter(profile=_OWNER), F("realised")),
        "sent": Subquery(
            Order.objects.filter(profile=_OWNER, created_at__gt=_MINUTE_AGO)
            .order_by()
            .values("profile")
            .annotate(n=Count("pk"))
            .values("n")
        ),
        "realised_today": total(results(_MIDNIGHT).filter(profile=_OWNER), F("result")),
        "is_denied": Exists(Denial.objects.filter(decision=_DECISION)),
        "best_equity": F("profile__balance__best_equity"),
        "booked_result": F("profile__balance__realised"),
        "booked_capital": F("profile__balance__capital"),
        **(_of_account(account, mode) if shared else {}),
    }


def _of_account(account: Q, mode: str) -> dict[str, Any]:
    seen = ExchangeAccount.objects.filter(subaccount=SUBACCOUNT).order_by()
    resting = ForeignOrder.objects.filter(is_resting=True, subaccount=SUBACCOUNT)
    return {
        "shards": Subquery(seen.values("shards")[:1]),
        "cash": Subquery(seen.values("balance")[:1]),
        "foreign": Subquery(seen.values("foreign")[:1]),
        "collateral": Subquery(seen.values("collateral")[:1]),
        "reading": Subquery(seen.values("collateral_reading")[:1]),
        "foreign_orders": Exists(
            resting.filter(ticker__in=Market.objects.filter(event_markets.is_of_event()).values("pk"))
        ),
        **shard_cash.promised(account, mode),
    }


def _first(rows: QuerySet[Any]) -> Subquery:
    return Subquery(rows.values("pk")[:1])
