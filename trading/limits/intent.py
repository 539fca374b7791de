"""What is about to be risked, and the catalogue's rows that it rests on, read in one statement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, cached_property
from typing import Any, Final

from django.db.models import BigIntegerField, CharField, DateTimeField, Exists, OuterRef, QuerySet, Subquery

from kalbot.common import clock
from kalbot.common.db import fetch
from kalbot.common.db.fetch import Fetch, rows_of
from kalbot.common.db.pipeline import Statement
from kalbot.common.db.prepared import Param, Prepared
from markets import exchange_hours, selectors
from markets.models import Certificate, Market
from strategies.models import Decision, Mode, Profile
from strategies.profiles.sharing import shares
from trading.books import own_orders
from trading.denials import DenialCode, Denied
from trading.limits import day, facts
from trading.limits.facts import Facts
from trading.models import ExchangeAccount, Position

NONE: Final = 0
"""Stands for no certificate: ids begin at 1."""


@dataclass(frozen=True)
class Intent:
    """What is about to be risked: a decision of a profile at its worst cost, micro-dollars.

    ``legs``: (ticker, side) -> worst cost. ``position``: the one it belongs to once there is one; it does not count against
    itself. ``completes``: part of the basket is held already, so that buying the rest takes risk away; what stops new baskets
    does not stop that. ``orders``: how many are sent next when there is a position. ``locks``: what has to be set aside for it where
    that is not its worst cost (collateral return).
    """

    profile: Profile
    decision: Decision
    worst_cost: int
    legs: Mapping[tuple[str, str], int]
    position: Position | None = None
    completes: bool = False
    orders: int = 1
    locks: int | None = None

    @property
    def funds(self) -> int:
        """Capital and cash that have to be there, micro-dollars."""
        return self.worst_cost if self.locks is None else self.locks

    @property
    def tickers(self) -> list[str]:
        return sorted({ticker for ticker, _ in self.legs})

    @cached_property
    def markets(self) -> list[Market]:
        """The catalogue's rows of the legs, with their event; read at first use, and with them what the other properties say."""
        return self._of_markets.now()

    @property
    def _of_markets(self) -> Fetch[list[Market]]:
        tickers = {f"ticker{number}": ticker for number, ticker in enumerate(self.tickers)}
        if not tickers:
            return Fetch((), lambda rows: [])
        values: dict[str, Any] = {"certificate": self.decision.certificate_id or NONE, "now": clock.now()}
        values["subaccount"] = self.profile.subaccount or 0
        if self.completes:
            values |= facts.values_of_every_purchase(self.profile)
        markets = _markets(len(tickers), self.completes, self.profile.mode, shares(self.profile))
        return rows_of(markets, **values, **tickers)

    def read_with_facts(self) -> Facts:
        """Read ``markets`` in one message with what the limits depend on, which is returned."""
        of_limits = Fetch(
            (facts.of_new_risk(*self._of_limits),), lambda rows: facts.of_rows(self.decision, rows[0], made=True)
        )
        found: Facts
        self.__dict__["markets"], found = fetch.together(self._of_markets, of_limits)
        return found

    def priced(self, worst_cost: int, legs: Mapping[tuple[str, str], int], *, orders: int = 1) -> Intent:
        """The same basket, or some of its legs (perhaps none any more), at other costs, on the rows that were read."""
        found = replace(self, worst_cost=worst_cost, legs=legs, orders=orders)
        tickers = found.tickers
        self._hand_on(found)
        found.__dict__["first_row"] = self.first_row
        found.__dict__["markets"] = [market for market in self.markets if market.ticker in tickers]
        return found

    def funded(self, locks: int) -> Intent:
        """The same, for which ``locks`` has to be set aside; on the rows that were read."""
        found = replace(self, locks=locks)
        self._hand_on(found)
        found.__dict__["markets"] = self.markets
        return found

    @cached_property
    def hours(self) -> exchange_hours.Answer | None:
        """What the exchange said last of when it takes orders; read at first use, unless it was before (``goes_by``)."""
        return exchange_hours.last()

    def goes_by(self, hours: exchange_hours.Answer | None) -> None:
        """Take ``hours``, which were read just now."""
        self.__dict__["hours"] = hours

    def _hand_on(self, other: Intent) -> None:
        if "hours" in self.__dict__:
            other.goes_by(self.hours)

    @property
    def reading(self) -> Statement:
        """Reads what the limits depend on; ``facts.of_rows`` takes its rows."""
        return facts.reading(*self._of_limits)

    @property
    def _of_limits(self) -> tuple[Decision, datetime, int | None]:
        return self.decision, day.midnight(self.profile), None if self.position is None else self.position.pk

    @property
    def facts(self) -> Facts:
        """What a purchase that completes depends on, read with the catalogue's rows. Denied(NOT_ACTIVE) where there are none."""
        if self.first_row is None:
            raise Denied(DenialCode.NOT_ACTIVE, "no market of the basket is in the catalogue")
        return facts.of_every_purchase(self.first_row, self.decision)

    @cached_property
    def first_row(self) -> Market | None:
        """A row that was read with what every purchase depends on; None where no leg is in the catalogue."""
        return self.markets[0] if self.markets else None

    @property
    def certified_rules(self) -> str | None:
        """The rules that the decision's certificate is about; None if it is not granted any more."""
        return getattr(self.markets[0], "certified_rules", None)

    @property
    def certified_states(self) -> Any:
        """The states that the decision's certificate lists, as they are stored."""
        return getattr(self.markets[0], "certified_states", None)

    @property
    def account_collateral(self) -> tuple[str, Any] | None:
        """How collateral return is used on the profile's account, and the reading of it; None for an account not seen yet."""
        mode = getattr(self.markets[0], "account_collateral", None)
        return None if mode is None else (mode, getattr(self.markets[0], "account_reading", None) or {})

    @property
    def foreign(self) -> Mapping[str, int]:
        """Signed contracts on the profile's account that are not ours, by ticker, as the last comparison booked them. Empty on paper."""
        if self.profile.mode != Mode.LIVE or not self.markets:
            return {}
        return getattr(self.markets[0], "account_foreign", None) or {}

    @property
    def own_bids(self) -> own_orders.Bids:
        """The highest bids that we rest in its markets ourselves, on any subaccount. None on paper, where each profile has an exchange of
        its own."""
        return own_orders.of_rows(self.markets) if shares(self.profile) else {}

    @property
    def fees_changed(self) -> bool:
        """Whether the fees of the series may be others than its row says: an announced change is due."""
        return any(getattr(market, "fees_changed", True) for market in self.markets)


@cache
def _markets(count: int, completes: bool, mode: str, shared: bool) -> Prepared[Market]:
    def build() -> QuerySet[Market]:
        granted = Certificate.objects.filter(
            pk=Param("certificate", BigIntegerField()), status=Certificate.Status.GRANTED
        )
        due = selectors.due_changes(OuterRef("event__series_id"), Param("now", DateTimeField()))
        account = ExchangeAccount.objects.filter(subaccount=Param("subaccount", BigIntegerField()))
        wanted = [Param(f"ticker{number}", CharField()) for number in range(count)]
        rows = Market.objects.filter(ticker__in=wanted).select_related("event", "event__series")
        if completes:
            rows = rows.annotate(**facts.annotations_of_every_purchase(mode == Mode.LIVE))
        if shared:
            rows = rows.annotate(**own_orders.columns(mode))
        return rows.annotate(
            certified_rules=Subquery(granted.values("rules_hash")),
            certified_states=Subquery(granted.values("states")),
            fees_changed=Exists(due),
            account_collateral=Subquery(account.values("collateral")[:1]),
            account_reading=Subquery(account.values("collateral_reading")[:1]),
            account_foreign=Subquery(account.values("foreign")[:1]),
        )

    return Prepared(build)
