"""Deep views of a few events that are read in one message with something else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kalbot.common.db.fetch import Fetch
from strategies.catalogue import family_views, universe_rows
from strategies.catalogue.universe import EventView, views_of


def fetching(tickers: Sequence[str]) -> Fetch[dict[str, EventView]]:
    """The views that ``universe.load`` would give; none where one of them is a family or in one, which takes more reading."""
    wanted = sorted(set(tickers))
    families, rows = family_views.fetching(wanted), universe_rows.fetching(wanted, deep=True)
    count = len(families.queries)

    def made(found: Sequence[list[Any]]) -> dict[str, EventView]:
        read = rows.made(found[count:])
        events = list(read.events)
        if any(found[:count]) or any(row.get("family") for row in events):
            return {}
        return views_of(read._replace(events=events), deep=True)

    return Fetch((*families.queries, *rows.queries), made)
