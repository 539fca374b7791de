"""Walking a listing to its true end (docs/kalshi-protocol.md 5)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, TypeVar

from ..errors import PaginationError
from ..schemas.boundary import Rejection
from ..schemas.listing import Listing
from .transport import Transport

P = TypeVar("P")
T = TypeVar("T")

MAX_PAGES = 10_000
LONGEST_CURSOR: Final = 4_096
"""Characters; it becomes a part of the next request's address."""
LISTING_SECONDS: Final = 1_800.0
"""For all pages together: a peer that is slow, or has a new cursor for ever, does not hold its reader for a day."""


def pages(
    transport: Transport,
    route: str,
    params: dict[str, Any],
    parse: Callable[[bytes], tuple[P, str]],
    *,
    private: bool = False,
    max_pages: int = MAX_PAGES,
) -> Iterator[P]:
    """Pages one by one until the cursor is empty; a short page is not the last one.

    ``parse`` returns a page and its cursor. A bad cursor is answered with 200, so a repeated one, or more
    than ``max_pages`` pages, one too long to be sent back, or more than ``LISTING_SECONDS`` of reading raise PaginationError: a part must
    never be taken for the whole.
    """
    seen: set[str] = set()
    left = LISTING_SECONDS
    cursor = str(params.get("cursor") or "")
    for _ in range(max_pages):
        began = time.monotonic()
        body = transport.read(route, params={**params, "cursor": cursor or None}, private=private)
        page, cursor = parse(body)
        left -= time.monotonic() - began
        yield page
        if not cursor:
            return
        if len(cursor) > LONGEST_CURSOR:
            raise PaginationError(f"GET {route} has a cursor of {len(cursor)} characters")
        if left < 0:
            raise PaginationError(f"GET {route} did not end within {LISTING_SECONDS:.0f} s of reading")
        if cursor in seen:
            raise PaginationError(f"GET {route} repeated the cursor {cursor[:80]!r}")
        seen.add(cursor)
    raise PaginationError(f"GET {route} did not end after {max_pages} pages")


def own_records(
    transport: Transport,
    route: str,
    params: dict[str, Any],
    listing: Listing[Any, T],
    unreadable: list[Rejection] | None = None,
) -> Iterator[T]:
    """The account's own records of all pages, one by one; see ``pages`` and ``Listing``.

    A record that cannot be read raises SchemaError; a caller that gives ``unreadable`` finds it there instead and must take it
    for something that is not known.
    """
    if unreadable is None:
        parse = listing.parse
    else:
        parse = partial(listing.parse_readable, unreadable=unreadable)
    for page in pages(transport, route, params, parse, private=True):
        yield from page
