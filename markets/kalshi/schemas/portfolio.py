"""Cash, positions and settlements. The exchange is the truth about them (docs/kalshi-protocol.md 10)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from kalbot.common.units import Count, Money, Price, parse_count, parse_money

from ..scalars import moment, moment_from_seconds, money_from_cents, positive_count, price_from_cents
from ..sizes import Cents, ClientId, EventTicker, Identifier, MarketTicker, Seconds, Shard, Subaccount
from ..vocabulary import MarketResult
from .boundary import decoder_of


class PositionWire(msgspec.Struct, kw_only=True):
    ticker: MarketTicker
    position_fp: str
    total_traded_dollars: str
    market_exposure_dollars: str
    realized_pnl_dollars: str
    fees_paid_dollars: str
    exchange_index: Shard | None = None
    last_updated_ts: str | None = None


class MarketPosition(msgspec.Struct, frozen=True, kw_only=True):
    """The account's signed net position in one market: ``position`` > 0 is YES, < 0 is NO contracts."""

    ticker: str
    position: Count
    total_traded: Money
    market_exposure: Money
    realized_pnl: Money
    fees_paid: Money
    exchange_index: int | None
    last_updated: datetime | None


class SettlementWire(msgspec.Struct, kw_only=True):
    ticker: MarketTicker
    event_ticker: EventTicker
    market_result: str
    yes_count_fp: str
    yes_total_cost_dollars: str
    no_count_fp: str
    no_total_cost_dollars: str
    revenue: Cents
    fee_cost: str
    settled_time: str
    value: Cents | None = None
    exchange_index: Shard | None = None


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What a market paid the account.

    ``revenue`` is Money (cents on the wire), ``value`` the payout of one YES contract.
    """

    ticker: str
    event_ticker: str
    market_result: MarketResult
    yes_count: Count
    yes_total_cost: Money
    no_count: Count
    no_total_cost: Money
    revenue: Money
    fee_cost: Money
    settled: datetime | None
    value: Price | None
    exchange_index: int | None


class ShardBalanceWire(msgspec.Struct):
    exchange_index: Shard
    balance: str


class BalanceWire(msgspec.Struct, kw_only=True):
    balance: Cents
    portfolio_value: Cents
    updated_ts: Seconds
    balance_dollars: str | None = None
    balance_breakdown: list[ShardBalanceWire] | None = None


class ShardBalance(msgspec.Struct, frozen=True):
    """Cash on one shard; it funds orders of that shard only."""

    exchange_index: int
    balance: Money


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """Available cash. ``available`` is exact where the exchange sends dollars, else its truncated cents."""

    available: Money
    portfolio_value: Money
    updated: datetime | None
    shards: tuple[ShardBalance, ...]

    def on_shard(self, exchange_index: int) -> Money | None:
        """Cash on one shard; None when the answer had no such line."""
        return next((s.balance for s in self.shards if s.exchange_index == exchange_index), None)


class SubaccountBalanceWire(msgspec.Struct):
    subaccount_number: Subaccount
    exchange_index: Shard
    balance: str
    updated_ts: Seconds


class SubaccountBalance(msgspec.Struct, frozen=True):
    """Cash of one subaccount (0 is the primary one) on one shard."""

    subaccount: int
    exchange_index: int
    balance: Money
    updated: datetime | None


class NettingConfig(msgspec.Struct, frozen=True):
    """Whether a subaccount nets collateral on a shard; off by default (docs/kalshi-protocol.md 13)."""

    subaccount_number: Subaccount
    enabled: bool
    exchange_index: Shard


class ShardTransferWire(msgspec.Struct, kw_only=True):
    transfer_id: Identifier
    source_exchange_shard: Shard
    destination_exchange_shard: Shard
    amount: str
    status: str
    created_ts: Seconds
    client_transfer_id: ClientId | None = None


class ShardTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """A move of cash between shards; asynchronous, done when ``is_complete``. ``status`` is the raw word."""

    transfer_id: str
    client_transfer_id: str | None
    source_exchange_shard: int
    destination_exchange_shard: int
    amount: Money
    status: str
    created: datetime | None

    @property
    def is_complete(self) -> bool:
        return self.status == "complete"


class Allocation(msgspec.Struct, frozen=True):
    """Share of the cash that automatic rebalancing keeps on a shard, in percent."""

    exchange_index: Shard
    percent: int


def build_position(w: PositionWire) -> MarketPosition:
    """Wire to ours."""
    return MarketPosition(
        ticker=w.ticker,
        position=parse_count(w.position_fp),
        total_traded=parse_money(w.total_traded_dollars),
        market_exposure=parse_money(w.market_exposure_dollars),
        realized_pnl=parse_money(w.realized_pnl_dollars),
        fees_paid=parse_money(w.fees_paid_dollars),
        exchange_index=w.exchange_index,
        last_updated=moment(w.last_updated_ts),
    )


def build_settlement(w: SettlementWire) -> Settlement:
    """Wire to ours; refuses a result that is not yes, no or scalar."""
    result = MarketResult(w.market_result)
    if result is MarketResult.NONE:
        raise ValueError(f"a settlement of {w.ticker} without a result")
    return Settlement(
        ticker=w.ticker,
        event_ticker=w.event_ticker,
        market_result=result,
        yes_count=positive_count(w.yes_count_fp),
        yes_total_cost=parse_money(w.yes_total_cost_dollars),
        no_count=positive_count(w.no_count_fp),
        no_total_cost=parse_money(w.no_total_cost_dollars),
        revenue=money_from_cents(w.revenue),
        fee_cost=parse_money(w.fee_cost),
        settled=moment(w.settled_time),
        value=None if w.value is None else price_from_cents(w.value),
        exchange_index=w.exchange_index,
    )


def build_balance(w: BalanceWire) -> Balance:
    """Wire to ours."""
    return Balance(
        available=parse_money(w.balance_dollars) if w.balance_dollars else money_from_cents(w.balance),
        portfolio_value=money_from_cents(w.portfolio_value),
        updated=moment_from_seconds(w.updated_ts),
        shards=tuple(ShardBalance(s.exchange_index, parse_money(s.balance)) for s in w.balance_breakdown or ()),
    )


def build_subaccount_balance(w: SubaccountBalanceWire) -> SubaccountBalance:
    """Wire to ours."""
    return SubaccountBalance(
        w.subaccount_number, w.exchange_index, parse_money(w.balance), moment_from_seconds(w.updated_ts)
    )


def build_shard_transfer(w: ShardTransferWire) -> ShardTransfer:
    """Wire to ours."""
    return ShardTransfer(
        transfer_id=w.transfer_id,
        client_transfer_id=w.client_transfer_id,
        source_exchange_shard=w.source_exchange_shard,
        destination_exchange_shard=w.destination_exchange_shard,
        amount=parse_money(w.amount),
        status=w.status,
        created=moment_from_seconds(w.created_ts),
    )


POSITION = decoder_of(PositionWire)
SETTLEMENT = decoder_of(SettlementWire)
BALANCE = decoder_of(BalanceWire)
SUBACCOUNT_BALANCE = decoder_of(SubaccountBalanceWire)
SHARD_TRANSFER = decoder_of(ShardTransferWire)
