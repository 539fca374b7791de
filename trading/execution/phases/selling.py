"""What an unwind and an exit share: the books to sell on, one try to sell, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from django.db.models import BigIntegerField

from kalbot.common import clock
from kalbot.common.db.fetch import Fetch
from kalbot.common.db.pipeline import Statement
from kalbot.common.db.prepared import Param, Prepared
from kalbot.common.units import CONTRACT
from markets import exchange_hours
from markets.book import Level
from strategies.models import Mode
from trading import states
from trading.accounting.sale_funds import Priced, SaleFunds
from trading.books import live_books, rest_books
from trading.books.live_books import LiveBooks
from trading.denials import FEED_OUTAGES, DenialCode, Denied, Refusal
from trading.execution.orders import finality, inflight, sell_ladder, submit
from trading.execution.orders.sell_ladder import Sale
from trading.leases import Lease
from trading.limits import risk
from trading.models import OPEN_ORDERS, ExitRequest, Leg, Order, OrderError, OrderStatus, Position
from trading.safety import protections
from trading.venues import connection, market_status

RUNG_PAUSE: Final = timedelta(seconds=1)
"""Between two tries: the book has a moment to refill, and the feed to show it."""
SHOWN_WITHIN: Final = timedelta(seconds=5)
"""So long after a sale books that do not show it yet are part of the try; then the feed is what is waited for."""
FRUITLESS: Final = 4
"""Tries without any fill after which the books are not believed at once again."""
FIRST_WAIT: Final = 0.25
LONGEST_WAIT: Final = 60.0
"""Seconds between two reads of a book that takes nothing."""
SENT: Final = Refusal(DenialCode.ORDER_UNSETTLED, "a sale was sent a moment ago")
"""What the next try waits for after each one."""
SMALLER: Final = (1, 4, 16, 64)
"""What part of a sale is tried, one after the other, while the exchange says that it has not the cash for more."""
Holding = tuple[Leg, int]
"""(leg, count to sell)."""
Fit = Callable[[Mapping[int, int]], Sequence[Sale]]
"""What may be sold together, where these counts of some legs (by their ids) have been sold already and no more of those."""


def books(position: Position, legs: Iterable[Leg], request: ExitRequest | None) -> LiveBooks:
    """The books to sell on: the live ones, or where a person accepted that and a live one is missing, those of the REST
    interface. Raises Denied."""
    live = live_books.read_beside(position)
    if request is None or not request.by_rest:
        return live
    tickers = [leg.market_id for leg in legs]
    age = position.profile.max_price_age_ms
    if not any(live.why_unusable(ticker, age) in FEED_OUTAGES for ticker in tickers):
        return live
    return live_books.beside_own(position, rest_books.read(position.event, tickers))


def exchange_shut(position: Position) -> Refusal | None:
    """Why nothing is sent into a pause of the exchange; None while it takes orders, as far as is known, and on paper."""
    shard = position.event.exchange_index
    if position.mode != Mode.LIVE or not exchange_hours.is_shut(connection.client(), shard):
        return None
    return Refusal(DenialCode.EXCHANGE_PAUSED, f"shard {shard}")


def must_pause(position: Position, live: LiveBooks) -> Refusal | None:
    """Why the next sale waits for the last one: between two tries there is a pause, and a proof that the books are newer than it."""
    last = position.orders.filter(action=Order.Action.SELL).exclude(status=OrderStatus.REJECTED).order_by("-sent_at")
    at = last.values_list("sent_at", flat=True).first()
    if at is None:
        return None
    ago, is_shown = clock.now() - at, live.prices.alive_ms >= int(at.timestamp() * 1000)
    if is_shown and ago >= RUNG_PAUSE:
        return None
    if ago < SHOWN_WITHIN:
        return SENT
    return Refusal(DenialCode.PRICE_STALE, "older than the last sale")


def waits(position: Position, refusal: Refusal) -> bool:
    """Wait a moment for what ends by itself, visibly: no try is counted, and the profile is not locked. False, the result of a phase that
    waits."""
    states.schedule(position, clock.now() + RUNG_PAUSE, residual=str(refusal)[:300], residual_code=refusal.code)
    return False


def ready(
    position: Position, wanted: Sequence[Holding], live: LiveBooks, open_sales: Sequence[Order]
) -> tuple[list[Holding], Refusal | None]:
    """Those of ``wanted`` whose book may be sold on now, and why the others may not: one leg's book does not hold up another's
    sale. Of several reasons one that passes counts before the end of a market; the first leg's before the next one's."""
    now, passing, over = [], None, None
    for leg, count in wanted:
        refusal = _why_not(position, leg, live)
        most = finality.most_to_sell(leg, count, open_sales) if refusal is None else 0
        if most:
            now.append((leg, most))
        elif refusal is None:
            passing = passing or Refusal(DenialCode.ORDER_UNSETTLED, leg.market_id)
        elif refusal.code is DenialCode.MARKET_CLOSED:
            over = over or refusal
        else:
            passing = passing or refusal
    return now, passing or over


def _why_not(position: Position, leg: Leg, live: LiveBooks) -> Refusal | None:
    market = live.prices.markets.get(leg.market_id)
    statuses = (leg.market.status, market.status if market is not None else "")
    if any(market_status.is_over(status) for status in statuses):
        return Refusal(DenialCode.MARKET_CLOSED, leg.market_id)
    unusable = live.why_unusable(leg.market_id, position.profile.max_price_age_ms)
    if unusable in (DenialCode.PRICE_NOT_ACTIVE, None) and any(s not in ("active", "") for s in statuses):
        return Refusal(DenialCode.MARKET_PAUSED, leg.market_id)
    if unusable is DenialCode.PRICE_NO_SIDE:
        return Refusal(DenialCode.NO_BID, leg.market_id)
    if unusable is None and live.hides_bids(leg.market_id, leg.side):
        return Refusal(DenialCode.OWN_ORDER, leg.market_id)
    return None if unusable is None else Refusal(unusable, leg.market_id)


def sell(
    position: Position,
    lease: Lease,
    live: LiveBooks,
    sales: Sequence[Sale],
    *,
    purpose: str,
    reason: str,
    actor: str = "kalbot",
    fit: Fit | None = None,
) -> Refusal | None:
    """One try for every sale: a rung of the ladder. None when the venue took an order, else why it did not. ``fit``: each is sold at once
    down to its least price, and no more of it than belongs with what the ones before it are known to have sold."""
    sent, refused = False, None
    sold: dict[int, int] = {}
    funds, at_least = SaleFunds.of(position), fit is not None
    if funds is not None:
        sales = _covered(funds, position, live, sales, at_least)
    for sale in sales:
        try:
            risk.may_send(position.profile, reduces=True)
        except Denied as denied:
            return None if sent else denied.refusal
        most = _most(sale, fit(sold)) if fit and sold else sale.count
        found = _sellable(position, live, replace(sale, count=min(most, sale.count)), at_least)
        if found is None:
            continue
        if funds is not None:
            found = replace(found, count=funds.fundable(found))
            if found.count <= 0:
                refused = refused or Refusal(DenialCode.SALE_NEEDS_FUNDS, funds.words(sale.leg))
                sold[sale.leg.pk] = 0
                continue
        order = _placed(lease, position, found, purpose=purpose, actor=actor, reason=reason)
        sold[sale.leg.pk] = max(order.reported_fill_count or 0, order.filled_count)
        if order.status == OrderStatus.REJECTED:
            refused = refusal_of(order)
        else:
            sent = True
    if sent:
        return None
    return refused or Refusal(DenialCode.NO_BID, "no bid at the least price or better")


def sale_bids(live: LiveBooks, leg: Leg) -> tuple[Level, ...]:
    """The bids of the leg at prices that a sale may name."""
    return sell_ladder.named(live.bids(leg.market_id, leg.side), leg)


def _sellable(position: Position, live: LiveBooks, sale: Sale, at_least: bool) -> Priced | None:
    """What the bids take of a sale now; None where they take nothing. ``at_least``: down to its least price at once."""
    bids = sale_bids(live, sale.leg)
    limit = sale.least if at_least else sell_ladder.rung_limit(bids, position.attempts, sale.least)
    now, worst = (0, 0) if limit is None else sell_ladder.sellable(bids, sale.count, limit)
    return Priced(sale.leg, now, worst, live.fee(sale.leg.market_id)) if now > 0 else None


def _covered(
    funds: SaleFunds, position: Position, live: LiveBooks, sales: Sequence[Sale], at_least: bool
) -> Sequence[Sale]:
    """The sales as large as the cash for them allows: the same share of each, so that none is left for want of what another took."""
    found = [priced for sale in sales if (priced := _sellable(position, live, sale, at_least)) is not None]
    counts = {one.leg.pk: count for one, count in zip(found, funds.share(found), strict=True)}
    return [replace(sale, count=counts.get(sale.leg.pk, sale.count)) for sale in sales]


def _placed(lease: Lease, position: Position, found: Priced, **columns: Any) -> Order:
    """A sale is sent; where the exchange has not enough cash for it, smaller ones, for what that takes back may not be what our books
    say. The order that was sent last."""
    step = CONTRACT if found.count % CONTRACT == 0 else 1
    for part in SMALLER:
        count = found.count // part // step * step
        order = submit.place(
            lease, position, found.leg, action=Order.Action.SELL, price=found.price, count=max(step, count), **columns
        )
        if order.error_code != sell_ladder.NO_CASH or count <= step:
            break
    return order


def _most(sale: Sale, fitting: Iterable[Sale]) -> int:
    return next((one.count for one in fitting if one.leg.pk == sale.leg.pk), 0)


def refusal_of(order: Order) -> Refusal:
    """What the refusal of a sale means: a market that takes no orders may be over, or only paused."""
    if order.error_code == OrderError.MARKET_INACTIVE and not market_status.has_ended(
        order.leg, live=order.mode == Mode.LIVE
    ):
        return Refusal(DenialCode.MARKET_PAUSED, order.leg.market_id)
    return sell_ladder.refused_sales(order.error_code)


_OPEN_REQUEST: Final = Prepared(
    lambda: ExitRequest.objects.filter(
        position=Param("position", BigIntegerField()), status=ExitRequest.Status.OPEN
    ).order_by("pk")[:1]
)


def open_request(position: Position) -> ExitRequest | None:
    """The position's open exit request."""
    return _OPEN_REQUEST.first(position=position.pk)


def reading_request(position: Position) -> Fetch[ExitRequest | None]:
    """``open_request``, to be read with other things."""
    return Fetch(((_OPEN_REQUEST, {"position": position.pk}),), lambda rows: next(iter(rows[0]), None))


def requesting(position: Position) -> Statement:
    """The statement that reads it."""
    return _OPEN_REQUEST.statement(position=position.pk)


def still_open(position: Position) -> Refusal | None:
    """Cancel what rests, resolve what is unknown, book what filled. None when no order is left open, else which are."""
    orders = inflight.orders_of(position)
    inflight.advance_all(orders, wanted=lambda order: order.action == Order.Action.SELL, cancel=True)
    inflight.collect_all(orders)
    left = sorted(
        {f"{order.leg.market_id} ({order.get_status_display()})" for order in orders if order.status in OPEN_ORDERS}
    )
    return Refusal(DenialCode.ORDER_UNKNOWN, ", ".join(left)) if left else None


def next_rung(position: Position) -> list[Leg] | Refusal:
    """Book what the last try sold, count the try, and schedule the next one. The legs as they are then; a refusal where one try after
    the other took nothing of the bids that the books show."""
    inflight.collect_all([o for o in inflight.orders_of(position) if o.status == OrderStatus.BOOKING])
    legs, at = inflight.legs_of(position), clock.now() + RUNG_PAUSE
    if _takes_nothing(position, len(legs)):
        states.schedule(position, at, attempts=position.attempts + 1)
        return Refusal(DenialCode.NO_BID, "sales at the bids that are shown take nothing")
    states.schedule(
        position,
        at,
        attempts=position.attempts + 1,
        waits=0,
        residual=str(SENT),
        residual_code=SENT.code,
        deadline_at=None,
    )
    return legs


def _takes_nothing(position: Position, legs: int) -> bool:
    """Whether the last sales, as many as every leg has in some tries, all ended without a fill."""
    sales = position.orders.filter(action=Order.Action.SELL).exclude(status=OrderStatus.REJECTED)
    last = list(sales.order_by("-created_at", "-id").values_list("status", "filled_count")[: FRUITLESS * legs])
    return len(last) == FRUITLESS * legs and all(one == (OrderStatus.DONE, 0) for one in last)


def stuck(position: Position, refusal: Refusal) -> bool:
    """Nothing can be sold now: record why, lock the profile, and schedule the next try. False, the result of a phase that
    waits."""
    text = str(refusal)[:300]
    if (position.residual_code, position.residual) != (refusal.code, text):
        states.note(position, f"contracts are left: {text}")
        if not refusal.code.is_feed_outage and refusal.code is not DenialCode.ORDER_UNSETTLED:
            protections.after_residual(position, refusal)
    pause = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(position.waits, 10))
    at = clock.now() + timedelta(seconds=pause)
    states.schedule(position, at, waits=position.waits + 1, residual=text, residual_code=refusal.code)
    return False
