"""What an admission wants from Redis, in one message: when the exchange takes orders, and the books of the event."""

from __future__ import annotations

from kalbot.common import clock
from markets import exchange_hours
from strategies.models import Decision, Mode
from trading.books import live_books
from trading.books.live_books import LiveBooks
from trading.execution.orders import gate
from trading.limits.intent import Intent
from trading.venues import connection


def read(decision: Decision, basket: Intent) -> LiveBooks:
    """The books of now; a live ``basket`` is given the hours, and its client the exchange's clock. Where the exchange was heard first, the
    books are read behind it."""
    event, books = decision.event, None
    if decision.profile.mode == Mode.LIVE:
        began, books = clock.monotonic(), live_books.ahead(event)
        basket.goes_by(exchange_hours.ensure(connection.client(), event.exchange_index, books))
        connection.measure_clock()
        if clock.monotonic() - began > gate.AS_GOOD_AS_NOW.total_seconds():
            books = None
    return live_books.read(event, is_changed=basket.fees_changed, known=books)
