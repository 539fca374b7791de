"""What is booked on one position in one transaction: it is locked and read once, and everything is written together at the end.

However many fills there are, the statements are as many as for one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from kalbot.common import clock, events
from kalbot.common.db import bulk, direct, instances
from markets.terms.grades import Grade
from trading import selectors
from trading.accounting import collateral, ledger, locked_orders, residuals, totals
from trading.accounting.fill_reports import BookingError, FillReport
from trading.accounting.posting import Posting
from trading.models import Account, Correction, Fill, LedgerTransaction, Leg, Order, Position, PositionEvent

AVERAGES: Final = "averages"
"""Source of fills that stand for executions which were never listed. Once an order has one, those count as booked."""


LEG_COLUMNS: Final = (
    "bought_count",
    "bought_cost",
    "sold_count",
    "sold_proceeds",
    "fees",
    "open_cost",
    "open_fees",
)
"""Columns of a leg that a fill changes."""


@dataclass
class PositionBooking:
    """A position that this transaction has locked, with the orders and legs to book on; ``add`` and then ``write``. The rows in memory
    are what the database has after ``write``.

    Made by ``of_orders`` or ``of_leg``, inside ``transaction.atomic``.
    """

    position: Position
    keys: direct.Keys = field(default_factory=dict)
    """Of rows that will be stored, where the database gives them before (``direct.together``)."""
    has_totals: bool = False
    """Whether the profile is known to have its row of totals."""
    orders: dict[UUID, Order] = field(default_factory=dict)
    legs: dict[int, Leg] = field(default_factory=dict)
    is_written: bool = False
    _fills: list[Fill] = field(default_factory=list)
    _postings: list[Posting] = field(default_factory=list)
    _changed: dict[int, dict[str, int]] = field(default_factory=dict)
    _known: dict[UUID, dict[str, str]] | None = None
    """Trade id -> source of what each order has booked; read once it has filled anything."""
    _released: tuple[int, bool] | None = None
    """What ``release`` was called with."""

    @classmethod
    def of_orders(cls, order_ids: Collection[UUID], fills: int = 0) -> PositionBooking:
        """Of orders of one position, to book so many ``fills`` on them, about. Position.DoesNotExist where there is no such order."""
        # beside them an event, a release, and two of collateral return; keys that are not used are lost
        wanted = {Fill: fills, LedgerTransaction: fills + 3, PositionEvent: 1} if fills else {}
        position, rows, keys = locked_orders.read(order_ids, wanted)
        found = cls(position, keys, position.has_totals)
        for order in rows:
            found.orders[order.pk] = order
            order.leg = found.legs.setdefault(order.leg_id, order.leg)
        if any(order.of_legs != len(found.legs) for order in rows):
            for leg in Leg.objects.filter(position=position).select_related("market"):
                found.legs.setdefault(leg.pk, leg)
        return found

    @classmethod
    def of_leg(cls, leg_id: int) -> PositionBooking:
        """Of the position that the leg belongs to. Position.DoesNotExist where there is no such leg."""
        position = Position.objects.select_for_update(of=("self",)).get(legs=leg_id)
        legs = Leg.objects.filter(position=position).select_related("market")
        return cls(position, legs={leg.pk: leg for leg in legs})

    def add_all(self, reports: Mapping[UUID, Iterable[FillReport]], source: str) -> int:
        """Take all of them in. Returns how many were not booked already. Raises BookingError."""
        return sum(self.add(order_id, report, source) for order_id, found in reports.items() for report in found)

    def add(self, order_id: UUID, report: FillReport, source: str) -> bool:
        """Take one execution in. False when it is booked already (whichever way it came first).

        Raises BookingError when it would fill beyond the order's count, sell more than the leg holds, or is of another market or direction.
        """
        order = self.orders[order_id]
        if self._is_booked(order, report, source):
            return False
        if report.moves not in (None, order.moves):
            raise BookingError(f"{order.pk}: fill {report.trade_id} is of {report.moves}, the order of {order.moves}")
        if report.count <= 0:
            raise BookingError(f"{order.pk}: fill {report.trade_id} of {report.count}")
        if order.filled_count + report.count > order.count:
            raise BookingError(f"{order.pk}: {report.count} on top of {order.filled_count} of {order.count}")
        fill = instances.new(
            Fill,
            order=order,
            mode=order.mode,
            trade_id=report.trade_id,
            price=report.price,
            count=report.count,
            fee=report.fee,
            is_taker=report.is_taker,
            source=source,
            exchange_at=clock.from_ms(report.at_ms) if report.at_ms else None,
        )
        if order.action == Order.Action.BUY:
            self._bought(order.leg, fill)
        else:
            if fill.count > order.leg.held:
                raise BookingError(f"{order.pk}: sold {fill.count} of {order.leg.held} held")
            proceeds = fill.price * fill.count - fill.fee
            self.take_out(order.leg, _key(fill), fill.count, proceeds, fill.fee, fill=fill)
        order.filled_count += fill.count
        self._fills.append(fill)
        if self._known is not None:
            self._known.setdefault(order.pk, {})[fill.trade_id] = source
        return True

    def _is_booked(self, order: Order, report: FillReport, source: str) -> bool:
        if not order.filled_count:
            return False
        if self._known is None:
            self._known = {}
            rows = Fill.objects.filter(order__in=list(self.orders)).values_list("order_id", "trade_id", "source")
            taken = ((fill.order_id, fill.trade_id, fill.source) for fill in self._fills)
            for order_id, trade_id, how in (*rows, *taken):
                self._known.setdefault(order_id, {})[trade_id] = how
        booked = self._known.get(order.pk, {})
        return report.trade_id in booked or (source != AVERAGES and AVERAGES in booked.values())

    def _bought(self, leg: Leg, fill: Fill) -> None:
        paid = fill.price * fill.count
        spent = paid + fill.fee
        from_reserve = min(self.position.reserved, spent)
        entries = (
            (Account.RESERVED, -from_reserve),
            (Account.CASH, from_reserve - spent),
            (Account.POSITION_COST, paid),
            (Account.FEES, fill.fee),
        )
        self._postings.append(Posting("fill", _key(fill), entries, self.position, {"fill": fill}))
        self._change(
            leg,
            bought_count=fill.count,
            bought_cost=spent,
            fees=fill.fee,
            open_cost=spent,
            open_fees=fill.fee,
        )
        self.position.reserved -= from_reserve
        self.position.fees += fill.fee

    def take_out(
        self,
        leg: Leg,
        key: str,
        count: int,
        proceeds: int,
        fees: int,
        *,
        fill: Fill | None = None,
        correction: Correction | None = None,
    ) -> None:
        """Take in that ``count`` of what the leg holds became ``proceeds``, ``fees`` deducted."""
        cost, cost_fees = cost_share(leg, count)
        entries = (
            (Account.CASH, proceeds),
            (Account.FEES, fees),
            (Account.FEES, -cost_fees - fees),
            (Account.POSITION_COST, cost_fees - cost),
            (Account.REALISED, cost - proceeds),
        )
        kind = "fill" if fill is not None else "correction"
        source = {"fill": fill, "correction": correction}
        self._postings.append(Posting(kind, key, entries, self.position, source))
        self._change(
            leg,
            sold_count=count,
            sold_proceeds=proceeds,
            fees=fees,
            open_cost=-cost,
            open_fees=-cost_fees,
        )
        self.position.proceeds += proceeds
        self.position.fees += fees
        self.position.realised += proceeds - cost

    def release(self, event: int, *, ends: bool) -> None:
        """``write`` returns to cash what is still reserved then, but for what leaving the position early may need, unless it ``ends``.
        ``event``: the id of the position's event that says why. See ``ledger.release``."""
        self._released = event, ends

    def _change(self, leg: Leg, **columns: int) -> None:
        changed = self._changed.setdefault(leg.pk, dict.fromkeys(LEG_COLUMNS, 0))
        for name, amount in columns.items():
            changed[name] += amount
            setattr(leg, name, getattr(leg, name) + amount)

    def write(self, **columns: Any) -> None:
        """Write everything, with further columns of the position."""
        self.is_written = True
        if self._fills:
            direct.insert(self._fills)
            filled: dict[UUID, int] = {}
            for fill in self._fills:
                filled[fill.order_id] = filled.get(fill.order_id, 0) + fill.count
            direct.ask(bulk.adding(Order, ["filled_count"], [(pk, [count]) for pk, count in filled.items()]))
        if self._changed:
            columns = residuals.after(self.position, self.legs.values(), self._changed) | columns | self._recounted()
        for name, value in columns.items():
            setattr(self.position, name, value)
        self._follow_collateral()
        self._free_reserve()
        if self._postings:
            ledger.post_new(self.position.profile_id, self.position.mode, self._postings, has_totals=self.has_totals)
        if self._changed:
            changed = [(pk, list(found.values())) for pk, found in self._changed.items()]
            direct.ask(bulk.adding(Leg, LEG_COLUMNS, changed))
        columns |= {
            name: getattr(self.position, name) for name in ("reserved", "returned", "fees", "proceeds", "realised")
        }
        direct.ask(direct.updating(Position, columns, id=self.position.pk))
        for fill in self._fills:
            self._say(fill)

    def _follow_collateral(self) -> None:
        """What collateral return credits or takes back for what was taken in."""
        if self.position.collateral is not None and self._postings:
            name = next(f"{kind} {row.pk}" for kind, row in self._postings[0].source.items() if row is not None)
            self._postings += collateral.following(self.position, [*self.legs.values()], name, self._moved())

    def _free_reserve(self) -> None:
        if self._released is None:
            return
        event, ends = self._released
        keep = 0 if ends else collateral.exit_reserve(self.position, [*self.legs.values()])
        amount = self.position.reserved - keep
        if amount < 0:
            cash = totals.cash_locked(self.position.profile_id)
            amount = -min(-amount, max(0, cash + self._moved()))
        if amount:
            self._postings.append(ledger.releasing(self.position, event, amount))
            self.position.reserved -= amount

    def _moved(self) -> int:
        """By how much cash changes with what was taken in so far."""
        return sum(money for one in self._postings for account, money in one.lines if account == Account.CASH)

    def _recounted(self) -> dict[str, Any]:
        """Cost, whole baskets, floor and guarantee by what the legs hold now."""
        legs = sorted(self.legs.values(), key=lambda leg: (leg.sequence, leg.pk))
        return recounted(selectors.held_of(self.position, legs))

    def _say(self, fill: Fill) -> None:
        order = self.orders[fill.order_id]
        events.emit(
            events.Event.FILL,
            order=order.pk,
            position=order.position_id,
            profile=order.profile_id,
            mode=order.mode,
            market=order.leg.market_id,
            action=order.action,
            side=order.side,
            price=fill.price,
            count=fill.count,
            fee=fill.fee,
            source=fill.source,
        )


def recounted(held: selectors.Held) -> dict[str, Any]:
    """The columns of a position that say what it holds."""
    return {
        "cost": held.cost,
        "matched_count": held.matched,
        "floor": held.floor,
        "guaranteed": held.grade is not Grade.CONDITIONAL,
    }


def cost_share(leg: Leg, count: int) -> tuple[int, int]:
    """(cost, fees within it) of ``count`` of what the leg holds. Rounded down, so what is held keeps the remainder and
    the last contract takes all of it: nothing is lost or made."""
    return leg.open_cost * count // leg.held, leg.open_fees * count // leg.held


def _key(fill: Fill) -> str:
    return f"fill:{fill.mode}:{fill.order_id}:{fill.trade_id}"
