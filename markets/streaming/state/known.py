"""What the stream knows of its books at one moment, for the tape: after a hole in the recording it begins from there."""

from __future__ import annotations

from typing import Final

from markets.kalshi.vocabulary import MarketStatus
from markets.streaming.state.books import Books
from markets.tape.restated import Paused, Said, WholeBook

TRADES: Final = ("", MarketStatus.ACTIVE.value)


def known(books: Books, sid: int | None, lives: int | None) -> list[Said]:
    """The books without a gap, as messages of subscription ``sid``, those of paused markets with the pause, of subscription ``lives``.

    It is the receiving thread that calls this: books are copied, and written out elsewhere. Nothing is said of a book that is suspect,
    nor of a market that is neither open nor paused.
    """
    found: list[Said] = []
    for ticker, state in books.markets.items():
        if sid is None or not state.has_book or state.suspect:
            continue
        if state.status == MarketStatus.INACTIVE.value and lives is not None:
            found.append(Paused(lives, ticker))
        elif state.status not in TRADES:
            continue
        book = state.book
        found.append(WholeBook(sid, ticker, book.yes.copy(), book.no.copy(), state.snapshot_clock))
    return found
