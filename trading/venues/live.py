"""The exchange itself, over REST. Write answers are trusted at once; reads of own data lag behind them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from kalbot.common import clock
from kalbot.common.units import CONTRACT, DOLLAR, Count, Price
from markets.kalshi.errors import KalshiError, NotFound
from markets.kalshi.order_entry import AmendOrder
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.rest.resolution import SIGNATURE_LIFE_MS, Outcome
from markets.kalshi.schemas.answers import BatchItem, CreateResult
from markets.kalshi.schemas.orders import Fill as ListedFill
from markets.kalshi.schemas.orders import Order as ListedOrder
from markets.kalshi.vocabulary import Side
from trading.accounting.fill_reports import FillReport
from trading.models import Order
from trading.venues import averages, connection, identity, known_ids
from trading.venues.meanings import meaning, translated
from trading.venues.protocol import Ack, Check, Refused, Unresolved, allow
from trading.venues.wire import contradiction, harmless, report_of, to_wire

LISTING_MARGIN_S: Final = 60
LISTED_FOR: Final = timedelta(hours=1)
"""Executions of younger orders cannot have left the live listing."""
MOST_TICKERS: Final = 100
"""Markets that one listing of executions takes."""
READ_BACK_WAITS: Final = (0.0, 0.05, 0.1, 0.2)
"""Seconds before each read of a cancelled order: the listing lags behind the answer."""
log = logging.getLogger(__name__)


class LiveVenue:
    """Orders on the account of the settings' key."""

    def __init__(self, client: KalshiClient | None = None) -> None:
        self._given = client

    @property
    def client(self) -> KalshiClient:
        return self._given or connection.client()

    def create(self, order: Order, keep_back: int = 0, check: Check = allow) -> Ack:
        """POST the order once. See Venue."""
        with translated():
            made = self.client.orders.create(to_wire(order), keep_back=keep_back, check=check)
        return _made(made, order)

    def create_many(
        self, orders: Sequence[Order], keep_back: int = 0, check: Check = allow
    ) -> list[Ack | Refused | Unresolved]:
        """POST all in one batch. An error of the whole request is that of each of its orders. See Venue."""
        try:
            with translated():
                wire = [to_wire(order) for order in orders]
                items = self.client.orders.batch_create(wire, keep_back=keep_back, check=check)
        except (Refused, Unresolved) as whole:
            return [whole] * len(orders)
        return [_of_item(item, order) for item, order in zip(items, orders, strict=True)]

    def resolve(self, order: Order, wanted: bool, check: Check = allow) -> Ack | None:
        """Search the listing, then spend the id: sending the *same* id again is decisive either way.

        An order that is no longer wanted is sent again as 0.01 contract at the lowest price of the market's grid (a sale at the
        highest), where nobody trades (``check`` has seen the book): accepted, it has spent the id; refused as a duplicate, the first one
        did arrive. Where ``check`` lets nothing leave, or the exchange takes no orders at all (pause, close), only time decides: the
        signature of the first try lapses.
        """
        sent_ms, listed = _sent_ms(order), self._listed(order)
        if listed is not None:
            if _is_anothers(order, listed) and self._shows_all_since(sent_ms):
                return None  # that one has spent the id: ours cannot be there
            return _ack(listed, order)
        request = to_wire(order) if wanted else harmless(order)
        resend = request is not None and clock.now_ms() <= sent_ms + SIGNATURE_LIFE_MS and _allowed(check)
        with translated():
            found = self.client.resolve_create(request or to_wire(order), sent_ms, resend=resend, check=check)
        if found.outcome is Outcome.FOUND and found.order is not None:
            return _ack(found.order, order)
        if found.outcome is Outcome.PLACED and found.result is not None:
            return _made(found.result, order)
        if found.outcome is Outcome.ABSENT:
            return None
        raise Unresolved(str(found.refused or "the exchange does not show it yet"))

    def find(self, order: Order) -> Ack | None:
        """List the account's orders, if the listing shows what happened until the order's row was written last, and those of the
        history for one that may have moved there. See Venue."""
        with translated():
            as_of = self.client.exchange.user_data_time()
            listed = self._listed(order)
            if listed is None and clock.now() - order.created_at > LISTED_FOR:
                listed = next((one for one in self._history(order) if one.client_order_id == str(order.pk)), None)
        is_there = listed is not None and not _is_anothers(order, listed)
        if not is_there and as_of < (order.moved_at or clock.now()) + connection.ahead(self.client):
            raise Unresolved("the exchange's reads are older than the order")
        return _ack(listed, order) if listed is not None and is_there else None

    def fetch(self, order: Order) -> Ack:
        """GET the order, or find it in the history that old orders move to."""
        with translated():
            return _ack(self._read(order), order)

    def cancel(self, order: Order) -> Ack:
        """DELETE the order with its ticker and shard, and read what it filled: somebody else may have made it smaller, so its count
        less what was taken out proves nothing. A 404 means that it ended before."""
        withdrawn = 0
        with translated():
            with suppress(NotFound):
                name, market = self._name(order), order.leg.market_id
                answer = self.client.orders.cancel(name, market, order.exchange_index, order.subaccount)
                withdrawn = answer.reduced_by
            for pause in READ_BACK_WAITS:
                clock.sleep(pause)
                if not (ended := _ack(self._read(order), order)).remaining_count:
                    return replace(ended, withdrawn=withdrawn)
        raise Unresolved("the order is cancelled, but the listing still shows it resting")

    def prolong(self, order: Order, until: datetime, keep_back: int = 0, check: Check = allow) -> Ack:
        """Amend nothing but the expiry, which keeps the place in the queue, and read the order back. See Venue.

        An amend names price and size as well, so the order is read before: what a person has changed meanwhile stays as it is.
        """
        with translated():
            now = _ack(self._read(order), order)
            if not now.remaining_count or now.price != order.price:
                return now
            self.client.orders.amend(
                AmendOrder(
                    order_id=now.exchange_order_id,
                    ticker=order.leg.market_id,
                    outcome_side=Side(order.side),
                    price=Price(order.price),
                    count=Count(now.fill_count + now.remaining_count),
                    exchange_index=order.exchange_index,
                    expiration_ts=int(until.timestamp()),
                    subaccount=order.subaccount,
                ),
                keep_back=keep_back,
                check=check,
            )
            return _ack(self._read(order), order)

    def fills(self, order: Order) -> list[FillReport]:
        """Exact executions with exact fees, those of an old order from the history."""
        with translated():
            listed = list(self.client.portfolio.fills(order_id=order.exchange_order_id))
            if clock.now() - order.created_at > LISTED_FOR:
                since = int(order.created_at.timestamp()) - LISTING_MARGIN_S
                portfolio, known = self.client.portfolio, {fill.fill_id for fill in listed}
                older = portfolio.historical_fills(
                    ticker=order.leg.market_id, min_ts=since, subaccount=order.subaccount
                )
                listed += [fill for fill in older if fill.fill_id not in known]
            return self._reports(order, [fill for fill in listed if fill.order_id == order.exchange_order_id])

    def fills_of(self, orders: Sequence[Order]) -> dict[UUID, list[FillReport]]:
        """One listing of their markets where all are young; see Venue."""
        oldest = min(order.created_at for order in orders)
        tickers = {order.leg.market_id for order in orders}
        if len(orders) == 1 or len(tickers) > MOST_TICKERS or clock.now() - oldest > LISTED_FOR:
            return {order.pk: self.fills(order) for order in orders}
        since = int(oldest.timestamp()) - LISTING_MARGIN_S
        with translated():
            listed = list(self.client.portfolio.fills(ticker=",".join(sorted(tickers)), min_ts=since))
            mine: dict[str, list[ListedFill]] = {}
            for fill in listed:
                mine.setdefault(fill.order_id, []).append(fill)
            return {order.pk: self._reports(order, mine.get(order.exchange_order_id, [])) for order in orders}

    def _reports(self, order: Order, listed: Sequence[ListedFill]) -> list[FillReport]:
        """Executions as reports. Unresolved where they are more than the order itself says that it filled (one may be listed twice), or
        where the id by which they are listed is that of another order."""
        count, reported = sum(fill.count for fill in listed), order.reported_fill_count or 0
        try:
            found = self._read(order) if count and count != reported else None
        except (KalshiError, Unresolved):
            if count > reported:
                raise
            found = None  # a part is listed so far
        if found is not None and (found.order_id != order.exchange_order_id or count > found.fill_count):
            raise Unresolved(f"executions of {count} are listed, order {found.order_id} says {found.fill_count}")
        return [report_of(fill, order.side) for fill in listed]

    def by_averages(self, order: Order) -> list[FillReport]:
        """See Venue."""
        with translated():
            return averages.reports(order, self._read(order), list(order.fills.values_list("price", "count", "fee")))

    def _read(self, order: Order) -> ListedOrder:
        """The order by the exchange's id, or by ours where that id belongs to another one: the answer that named it was wrong."""
        try:
            found: ListedOrder | None = self.client.orders.get(order.exchange_order_id)
        except NotFound:
            found = next((one for one in self._history(order) if one.order_id == order.exchange_order_id), None)
        if found is not None and not known_ids.remember(order, found):
            log.warning("order %s was answered as %s, which is another one", order.pk, found.order_id)
            found = self._listed(order)
        if found is None:
            raise Unresolved(f"order {order.exchange_order_id} is neither listed nor in the history")
        return found

    def _name(self, order: Order) -> str:
        """The exchange's id by which the order is withdrawn: the row's, unless a read shows that it is another order's."""
        if known_ids.is_known(order):
            return order.exchange_order_id
        with suppress(KalshiError):  # a read that fails keeps nobody from withdrawing
            found = self.client.orders.get(order.exchange_order_id)
            if not known_ids.remember(order, found):
                log.warning("order %s is not withdrawn as %s, which is another one", order.pk, found.order_id)
                return _ack(self._read(order), order).exchange_order_id
        return order.exchange_order_id

    def _shows_all_since(self, sent_ms: int) -> bool:
        """Whether a request signed then can arrive no more, and reads show everything that did."""
        expired_ms = sent_ms + SIGNATURE_LIFE_MS
        if clock.now_ms() < expired_ms:
            return False
        with translated():
            return self.client.exchange.user_data_time().timestamp() * 1000 >= expired_ms

    def _history(self, order: Order) -> Iterable[ListedOrder]:
        since = int(order.created_at.timestamp()) - LISTING_MARGIN_S
        return self.client.orders.historical(ticker=order.leg.market_id, min_ts=since, subaccount=order.subaccount)

    def _listed(self, order: Order) -> ListedOrder | None:
        since = int(order.created_at.timestamp()) - LISTING_MARGIN_S
        with translated():
            return self.client.orders.find_by_client_id(
                str(order.pk), order.leg.market_id, since, subaccount=order.subaccount
            )


def _allowed(check: Check) -> bool:
    try:
        check()
    except Refused:
        return False
    return True


def _made(made: CreateResult, order: Order) -> Ack:
    if not made.fill_count or made.average_yes_price is None:
        return Ack(made.order_id, made.fill_count, made.remaining_count)
    each = made.average_yes_price if order.side == "yes" else DOLLAR - made.average_yes_price
    spent = (each + (made.average_fee or 0)) * made.fill_count // CONTRACT
    return Ack(made.order_id, made.fill_count, made.remaining_count, spent)


def _of_item(item: BatchItem, order: Order) -> Ack | Refused | Unresolved:
    """One item of a batch. An error is a refusal only if its code is known for one: an item carries no HTTP status."""
    if isinstance(item.result, CreateResult):
        return _made(item.result, order)
    if item.error is None:
        return Unresolved("the batch does not say what became of it")
    return meaning(item.error)


def _ack(listed: ListedOrder, order: Order) -> Ack:
    """What is listed as the state of our order. Raises Unresolved where it is of another market or direction."""
    said = contradiction(order, listed.ticker, listed.outcome_side, listed.client_order_id)
    if said := said or identity.unlike(order, identity.of_listed(listed)):
        raise Unresolved(said)
    remaining = 0 if listed.status.is_terminal else listed.remaining_count
    return Ack(listed.order_id, listed.fill_count, remaining, price=listed.price)


def _is_anothers(order: Order, listed: ListedOrder) -> bool:
    """Whether it has our client id and is not our order."""
    return listed.order_id != order.exchange_order_id and bool(identity.unlike(order, identity.of_listed(listed)))


def _sent_ms(order: Order) -> int:
    return int((order.sent_at or order.created_at).timestamp() * 1000)
