"""Order groups (docs/kalshi-protocol.md 9.8): a cap on what a set of orders may fill in a rolling 15 seconds."""

from __future__ import annotations

import msgspec

from kalbot.common.units import Count, format_count
from markets.kalshi.schemas.answers import ORDER_GROUP, OrderGroup, build_order_group
from markets.kalshi.schemas.boundary import decode, decode_page, decoder_of, parse, parse_all

from .outcome import after_write
from .transport import Transport

GROUPS = "/portfolio/order_groups"
GROUP = "/portfolio/order_groups/{order_group_id}"


class _Created(msgspec.Struct):
    order_group_id: str


class _Groups(msgspec.Struct):
    order_groups: list[msgspec.Raw] | None = None


_CREATED, _GROUPS = decoder_of(_Created), decoder_of(_Groups)


class OrderGroups:
    """Groups live on one shard each; always name it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self, contracts_limit: Count, exchange_index: int, subaccount: int | None = None, *, keep_back: int = 0
    ) -> str:
        """A new group's id. ``contracts_limit`` is Count; ``keep_back`` rate tokens are left for others."""
        body: dict[str, object] = {
            "contracts_limit_fp": format_count(contracts_limit),
            "exchange_index": exchange_index,
        }
        if subaccount is not None:
            body["subaccount"] = subaccount
        answer = self._transport.write("POST", GROUPS + "/create", body=body, keep_back=keep_back)
        return after_write(lambda: decode(_CREATED, answer)).order_group_id

    def get(self, order_group_id: str, subaccount: int | None = None) -> OrderGroup:
        """One group with the ids of its orders."""
        body = self._transport.read(
            GROUP, path={"order_group_id": order_group_id}, params={"subaccount": subaccount}, private=True
        )
        found = parse(ORDER_GROUP, build_order_group, body)
        return msgspec.structs.replace(found, order_group_id=order_group_id)

    def list(self, subaccount: int | None = None) -> tuple[OrderGroup, ...]:
        """All groups, without their orders."""
        body = self._transport.read(GROUPS, params={"subaccount": subaccount}, private=True)
        _, records = decode_page(_GROUPS, lambda page: page.order_groups or (), body)
        return parse_all(ORDER_GROUP, build_order_group, records)

    def set_limit(
        self, order_group_id: str, contracts_limit: Count, exchange_index: int, subaccount: int | None = None
    ) -> None:
        """Change the cap; a cap below what has just filled triggers the group."""
        body = {"contracts_limit_fp": format_count(contracts_limit)}
        self._put(order_group_id, "limit", exchange_index, subaccount, body)

    def reset(
        self, order_group_id: str, exchange_index: int, subaccount: int | None = None, *, keep_back: int = 0
    ) -> None:
        """Take orders again after a trigger, leaving ``keep_back`` rate tokens."""
        self._put(order_group_id, "reset", exchange_index, subaccount, {}, keep_back)

    def trigger(self, order_group_id: str, exchange_index: int, subaccount: int | None = None) -> None:
        """Cancel all orders of the group and refuse new ones until a reset."""
        self._put(order_group_id, "trigger", exchange_index, subaccount, {})

    def delete(self, order_group_id: str, exchange_index: int, subaccount: int | None = None) -> None:
        """Remove the group and cancel its orders."""
        self._transport.write(
            "DELETE",
            GROUP,
            path={"order_group_id": order_group_id},
            params={"subaccount": subaccount, "exchange_index": exchange_index},
        )

    def _put(
        self,
        order_group_id: str,
        verb: str,
        exchange_index: int,
        subaccount: int | None,
        body: dict[str, str],
        keep_back: int = 0,
    ) -> None:
        self._transport.write(
            "PUT",
            f"{GROUP}/{verb}",
            path={"order_group_id": order_group_id},
            params={"subaccount": subaccount, "exchange_index": exchange_index},
            body=body,
            keep_back=keep_back,
        )
