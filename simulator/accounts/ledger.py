"""The ledger of the one API user: cash per (subaccount, shard) with reservations, positions, orders, fills, settlements.

Integer arithmetic throughout. The ledger knows no market and no clock; it records what matching and settlement report
and collects every change for the journal and for the delayed read model.
"""

from __future__ import annotations

import copy
from typing import Any

from simulator.matching.fees import FeeTerms, fill_fee, worst_fee
from simulator.units import ONE

from .records import RESTING, Changes, Fill, Group, Order, Position, Settlement, Transfer

CashAccount = tuple[int, int]
"""(subaccount, shard)"""


class Ledger:
    """Balances and records of the API user."""

    def __init__(self) -> None:
        self.cash: dict[CashAccount, int] = {}
        self.reserved: dict[CashAccount, int] = {}
        self.orders: dict[str, Order] = {}
        self.fills: list[Fill] = []
        self.positions: dict[tuple[int, str], Position] = {}
        self.settlements: list[Settlement] = []
        self.groups: dict[str, Group] = {}
        self.transfers: dict[str, Transfer] = {}
        self.spent_ids: set[str] = set()
        self.options: dict[str, str] = {}
        self._open: dict[tuple[int, str], dict[str, Order]] = {}
        self._reserved_by: dict[tuple[int, str], int] = {}
        self._touched: dict[str, dict[Any, None]] = {}
        self._marks = [0, 0]

    # ---- reading

    def subaccounts(self) -> list[int]:
        return sorted({sub for sub, _ in self.cash})

    def available(self, account: CashAccount) -> int:
        """Cash less reservations, in micro-dollars."""
        return self.cash.get(account, 0) - self.reserved.get(account, 0)

    def position(self, subaccount: int, ticker: str) -> int:
        found = self.positions.get((subaccount, ticker))
        return found.count if found else 0

    def open_orders(self, subaccount: int, ticker: str) -> list[Order]:
        """Resting orders of a subaccount in a market, oldest first."""
        return list(self._open.get((subaccount, ticker), {}).values())

    def all_open(self) -> list[Order]:
        return [order for orders in self._open.values() for order in orders.values()]

    # ---- writing

    def touch(self, kind: str, key: Any) -> None:
        self._touched.setdefault(kind, {})[key] = None

    def credit(self, account: CashAccount, amount: int) -> None:
        """Add (or take) cash."""
        self.cash[account] = self.cash.get(account, 0) + amount
        self.touch("cash", account)

    def spend_id(self, client_order_id: str) -> None:
        """A client id is spent for ever."""
        self.spent_ids.add(client_order_id)
        self.touch("spent_ids", client_order_id)

    def set_option(self, name: str, value: str) -> None:
        self.options[name] = value
        self.touch("options", name)

    def add_order(self, order: Order) -> None:
        self.orders[order.order_id] = order
        self.changed_order(order)

    def changed_order(self, order: Order) -> None:
        """An order's state moved: keep the index of open orders and the journal in step."""
        key = (order.subaccount, order.ticker)
        if order.status == RESTING and order.remaining > 0:
            self._open.setdefault(key, {})[order.order_id] = order
        elif key in self._open:
            self._open[key].pop(order.order_id, None)
            if not self._open[key]:
                del self._open[key]
        self.touch("orders", order.order_id)

    def add_transfer(self, transfer: Transfer) -> None:
        self.transfers[transfer.transfer_id] = transfer
        self.touch("transfers", transfer.transfer_id)

    def add_group(self, group: Group) -> None:
        self.groups[group.group_id] = group
        self.touch("groups", group.group_id)

    def apply_fill(
        self,
        order: Order,
        price: int,
        count: int,
        *,
        taker: bool,
        terms: FeeTerms,
        grid: int,
        rebate_at_step: bool,
        trade_id: str,
        now_ms: int,
    ) -> Fill:
        """Book one fill of an own order: position (opposite sides net at $1 a pair), fee, cash. Returns the fill."""
        position = self.positions.get((order.subaccount, order.ticker))
        if position is None:
            position = Position(order.ticker, order.event_ticker, order.shard, order.subaccount)
            self.positions[order.subaccount, order.ticker] = position
        buys_yes = order.book_side == "bid"
        paid = price * count if buys_yes else (ONE - price) * count
        fee = fill_fee(terms, price, count, taker, -paid, order.accumulator, grid, rebate_at_step)
        order.accumulator = fee.accumulator
        closed = position.trade(buys_yes, price, count)
        cash = -paid + closed * ONE - fee.net
        self.credit((order.subaccount, order.shard), cash)
        position.fees += fee.net
        position.open_fees = position.open_fees + fee.net if position.count else 0
        position.traded += paid
        position.volume += count
        position.updated_ms = now_ms
        self.touch("positions", (order.subaccount, order.ticker))
        order.filled += count
        order.updated_ms = now_ms
        order.reason = "Trade"
        if taker:
            order.taker_cost += paid
            order.taker_fees += fee.net
        else:
            order.maker_cost += paid
            order.maker_fees += fee.net
        self.touch("orders", order.order_id)
        fill = Fill(
            trade_id,
            order.order_id,
            order.client_order_id,
            order.ticker,
            order.event_ticker,
            order.shard,
            order.subaccount,
            order.book_side,
            price,
            count,
            taker,
            fee.net,
            cash,
            closed,
            position.count,
            now_ms,
        )
        self.fills.append(fill)
        return fill

    def settle(self, position: Position, value: int, result: str, cents: bool, now_ms: int) -> int:
        """Pay a position out at ``value`` (price units for YES); returns the money paid.

        Scalar payouts are cut to whole cents and the rest is a fee. A position that was closed before gets no record.
        """
        count = position.count
        payout = count * value if count > 0 else -count * (ONE - value)
        residue = payout % 10_000 if cents else 0
        revenue = payout - residue
        yes, no = max(count, 0), max(-count, 0)
        if count:
            self.credit((position.subaccount, position.shard), revenue)
            self.settlements.append(
                Settlement(
                    position.ticker,
                    position.event_ticker,
                    position.shard,
                    position.subaccount,
                    result,
                    value,
                    yes,
                    no,
                    position.cost if yes else 0,
                    position.cost if no else 0,
                    revenue,
                    position.fees + residue,
                    now_ms,
                )
            )
        position.realised += revenue - position.cost
        position.fees += residue
        position.count = position.cost = position.open_fees = 0
        position.settled, position.updated_ms = True, now_ms
        self.touch("positions", (position.subaccount, position.ticker))
        return revenue

    # ---- reservations

    def needs(
        self, side: str, price: int, count: int, terms: FeeTerms, taker: bool, grid: int, with_fee: bool = True
    ) -> int:
        """Cash that opening ``count`` at ``price`` may take: price times count plus the fee."""
        unit = price if side == "bid" else ONE - price
        return unit * count + (worst_fee(terms, price, count, taker, grid) if with_fee and count else 0)

    def closable(self, subaccount: int, ticker: str, side: str, but: Order | None = None) -> int:
        """Count of an opposite position that no resting order of this side (``but`` aside) is about to close."""
        held = self.position(subaccount, ticker)
        pool = max(0, -held) if side == "bid" else max(0, held)
        waiting = sum(o.remaining for o in self.open_orders(subaccount, ticker) if o.book_side == side and o is not but)
        return max(0, pool - waiting)

    def reserve(self, subaccount: int, ticker: str, shard: int, terms: FeeTerms, grid: int, with_fee: bool) -> None:
        """Recompute what the resting orders of a subaccount in a market reserve. Closing contracts reserve nothing."""
        held = self.position(subaccount, ticker)
        pools = {"bid": max(0, -held), "ask": max(0, held)}
        total = 0
        for order in self._open.get((subaccount, ticker), {}).values():
            closing = min(pools[order.book_side], order.remaining)
            pools[order.book_side] -= closing
            total += self.needs(order.book_side, order.price, order.remaining - closing, terms, False, grid, with_fee)
        account = (subaccount, shard)
        before = self._reserved_by.get((subaccount, ticker), 0)
        if total:
            self._reserved_by[subaccount, ticker] = total
        else:
            self._reserved_by.pop((subaccount, ticker), None)
        self.reserved[account] = self.reserved.get(account, 0) + total - before

    # ---- journal

    def take_changes(self, now_ms: int) -> Changes | None:
        """Copies of all that changed since the last call, or None."""
        fills, settlements = self.fills[self._marks[0] :], self.settlements[self._marks[1] :]
        if not self._touched and not fills and not settlements:
            return None
        self._marks = [len(self.fills), len(self.settlements)]
        touched, self._touched = self._touched, {}
        return Changes(
            at_ms=now_ms,
            cash=[(sub, shard, self.cash[sub, shard]) for sub, shard in touched.get("cash", ())],
            orders=[copy.copy(self.orders[key]) for key in touched.get("orders", ())],
            fills=fills,
            positions=[copy.copy(self.positions[key]) for key in touched.get("positions", ())],
            settlements=settlements,
            groups=[copy.deepcopy(self.groups[key]) for key in touched.get("groups", ())],
            transfers=[copy.copy(self.transfers[key]) for key in touched.get("transfers", ())],
            spent_ids=list(touched.get("spent_ids", ())),
            options={name: self.options[name] for name in touched.get("options", ())},
        )

    def whole(self, now_ms: int) -> Changes:
        """Everything, as one change: the first line of a state file."""
        return Changes(
            at_ms=now_ms,
            cash=[(sub, shard, amount) for (sub, shard), amount in self.cash.items()],
            orders=list(self.orders.values()),
            fills=self.fills,
            positions=list(self.positions.values()),
            settlements=self.settlements,
            groups=list(self.groups.values()),
            transfers=list(self.transfers.values()),
            spent_ids=sorted(self.spent_ids),
            options=self.options,
        )

    def apply(self, changes: Changes) -> None:
        """Take over records written by ``take_changes`` or ``whole`` (reservations are recomputed by the caller)."""
        for sub, shard, amount in changes.cash:
            self.cash[sub, shard] = amount
        for order in changes.orders:
            self.orders[order.order_id] = order
            self.changed_order(order)
        self.fills.extend(changes.fills)
        for position in changes.positions:
            self.positions[position.subaccount, position.ticker] = position
        self.settlements.extend(changes.settlements)
        for group in changes.groups:
            self.groups[group.group_id] = group
        for transfer in changes.transfers:
            self.transfers[transfer.transfer_id] = transfer
        self.spent_ids.update(changes.spent_ids)
        self.options.update(changes.options)
        self._touched, self._marks = {}, [len(self.fills), len(self.settlements)]
