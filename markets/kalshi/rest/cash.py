"""Cash by subaccount and exchange shard: transfers, netting, automatic rebalancing.

See docs/kalshi-protocol.md 6, 9.9 and 13.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from kalbot.common.units import CENT, Money
from markets.kalshi.schemas.boundary import Rejection, decode, decode_page, decoder_of, parse, parse_all
from markets.kalshi.schemas.funding import DEPOSITS, TRANSFERS, WITHDRAWALS, Funding, Transfer
from markets.kalshi.schemas.listing import Listing
from markets.kalshi.schemas.portfolio import (
    SHARD_TRANSFER,
    SUBACCOUNT_BALANCE,
    Allocation,
    NettingConfig,
    ShardTransfer,
    ShardTransferWire,
    SubaccountBalance,
    build_shard_transfer,
    build_subaccount_balance,
)

from .outcome import after_write
from .pagination import own_records
from .transport import Transport

CENTICENT = 100
"""1/10,000 dollar in Money: the unit of transfers between shards."""
SHARD_TRANSFERS = "/portfolio/intra_exchange_instance_transfers"
ALLOCATION = "/portfolio/target_balance_allocation"


class _Balances(msgspec.Struct):
    subaccount_balances: list[msgspec.Raw]


class _Created(msgspec.Struct):
    subaccount_number: int


class _Netting(msgspec.Struct):
    netting_configs: list[NettingConfig]


class _TransferId(msgspec.Struct):
    transfer_id: str


class _Transfer(msgspec.Struct):
    transfer: ShardTransferWire


class _Allocations(msgspec.Struct):
    allocations: list[Allocation]


_BALANCES, _CREATED, _NETTING = decoder_of(_Balances), decoder_of(_Created), decoder_of(_Netting)
_TRANSFER_ID, _TRANSFER, _ALLOCATIONS = decoder_of(_TransferId), decoder_of(_Transfer), decoder_of(_Allocations)
_TRANSFERS = Listing("transfers", SHARD_TRANSFER, build_shard_transfer)


class Cash:
    """Moves cash between subaccounts and shards. Every write here needs the scope ``write::transfer``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def subaccount_balances(self) -> tuple[SubaccountBalance, ...]:
        """Cash per subaccount and shard."""
        body = self._transport.read("/portfolio/subaccounts/balances", private=True)
        _, records = decode_page(_BALANCES, lambda page: page.subaccount_balances, body)
        return parse_all(SUBACCOUNT_BALANCE, build_subaccount_balance, records)

    def create_subaccount(self, exchange_index: int = 0) -> int:
        """The number (1 to 63) of a new subaccount."""
        body = self._transport.write("POST", "/portfolio/subaccounts", body={"exchange_index": exchange_index})
        return after_write(lambda: decode(_CREATED, body)).subaccount_number

    def transfer_between_subaccounts(
        self,
        client_transfer_id: str,
        from_subaccount: int,
        to_subaccount: int,
        amount: Money,
        exchange_index: int = 0,
    ) -> None:
        """Move ``amount`` (Money, whole cents) on one shard.

        A reused id raises Rejected (409) and moves nothing.
        """
        body = {
            "client_transfer_id": client_transfer_id,
            "from_subaccount": from_subaccount,
            "to_subaccount": to_subaccount,
            "amount_cents": _whole(amount, CENT, "cents"),
            "exchange_index": exchange_index,
        }
        self._transport.write("POST", "/portfolio/subaccounts/transfer", body=body)

    def netting(self) -> tuple[NettingConfig, ...]:
        """Where collateral is netted."""
        body = self._transport.read("/portfolio/subaccounts/netting", private=True)
        return tuple(decode(_NETTING, body).netting_configs)

    def set_netting(self, subaccount: int, enabled: bool) -> None:
        """Switch collateral return for a subaccount. It can restrict selling what it has paid out for."""
        body = {"subaccount_number": subaccount, "enabled": enabled}
        self._transport.write("PUT", "/portfolio/subaccounts/netting", body=body)

    def transfer_between_shards(
        self, source: int, destination: int, amount: Money, client_transfer_id: str | None = None
    ) -> str:
        """Start moving ``amount`` (Money, whole 1/10,000 dollar) of the primary account to another shard; the
        transfer's id.

        Asynchronous: ask ``shard_transfer`` until it is complete. With an id (UUID) a retry cannot move it
        twice.
        """
        body: dict[str, Any] = {
            "source": "event_contract",
            "destination": "event_contract",
            "amount": _whole(amount, CENTICENT, "1/10,000 dollars"),
            "source_exchange_shard": source,
            "destination_exchange_shard": destination,
        }
        if client_transfer_id is not None:
            body["client_transfer_id"] = client_transfer_id
        answer = self._transport.write("POST", "/portfolio/intra_exchange_instance_transfer", body=body)
        return after_write(lambda: decode(_TRANSFER_ID, answer)).transfer_id

    def shard_transfer(self, transfer_id: str) -> ShardTransfer:
        """One transfer between shards."""
        route = SHARD_TRANSFERS + "/{transfer_id}"
        body = self._transport.read(route, path={"transfer_id": transfer_id}, private=True)
        return parse(_TRANSFER, lambda answer: build_shard_transfer(answer.transfer), body)

    def shard_transfers(self, limit: int = 100) -> Iterator[ShardTransfer]:
        """Transfers between shards."""
        return own_records(self._transport, SHARD_TRANSFERS, {"limit": limit}, _TRANSFERS)

    def deposits(self, limit: int = 500, unreadable: list[Rejection] | None = None) -> Iterator[Funding]:
        """Deposits into the account, newest first. ``unreadable``: see ``own_records``, here and below."""
        return own_records(self._transport, "/portfolio/deposits", {"limit": limit}, DEPOSITS, unreadable)

    def withdrawals(self, limit: int = 500, unreadable: list[Rejection] | None = None) -> Iterator[Funding]:
        """Withdrawals from the account, newest first."""
        return own_records(self._transport, "/portfolio/withdrawals", {"limit": limit}, WITHDRAWALS, unreadable)

    def transfers(self, limit: int = 500, unreadable: list[Rejection] | None = None) -> Iterator[Transfer]:
        """Money moved between subaccounts, newest first."""
        return own_records(self._transport, "/portfolio/subaccounts/transfers", {"limit": limit}, TRANSFERS, unreadable)

    def target_allocation(self) -> tuple[Allocation, ...]:
        """Automatic rebalancing between shards; empty when it is off."""
        return tuple(decode(_ALLOCATIONS, self._transport.read(ALLOCATION, private=True)).allocations)

    def set_target_allocation(self, allocations: Sequence[Allocation], reservation: str = "sum") -> None:
        """Rebalance every 10 s to these shares; none switches it off. ``reservation``: none, max or sum."""
        if allocations and sum(a.percent for a in allocations) != 100:
            raise ValueError("the shares must be 100 percent together")
        shares = [{"exchange_index": a.exchange_index, "percent": a.percent} for a in allocations]
        body = {"allocations": shares, "resting_margin_reservation": reservation}
        self._transport.write("POST", ALLOCATION, body=body)


def _whole(amount: Money, unit: int, name: str) -> int:
    if amount <= 0 or amount % unit:
        raise ValueError(f"{amount} (1/1,000,000 dollar) is not a positive number of {name}")
    return amount // unit
