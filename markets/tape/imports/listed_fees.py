"""Which fees an import takes from a list of another day than that of its prices, in sentences for the tape.

The exchange's list says what a series charges on the day of the list, and not since when. So a recording of another day with the fees of
that list rests on an assumption.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Final

from markets.tape.records import Kind, Record

LISTED: Final = "listed"
"""Key of a series' content: the day (ISO) of the list that it is from, empty where that is not known."""
FEES: Final = "fees of "
"""How such a sentence begins."""
MOST_NAMED: Final = 5


def assumed(records: Iterable[Record]) -> list[str]:
    """A sentence for each fee and list: of which series, from when, and how many days lie between list and prices."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for record in records:
        if record.kind is not Kind.SERIES:
            continue
        content = json.loads(record.payload)
        listed = content.get(LISTED)
        if listed is None:  # recorded with the prices
            continue
        fee = f"{content.get('fee_type')} x {float(content.get('fee_multiplier', -1)):g}"
        days = _days(listed, record.received_ns)
        if days != 0:
            found.setdefault((fee, listed), {}).setdefault(record.key, days if days is not None else 0)
    return [_sentence(fee, listed, series) for (fee, listed), series in sorted(found.items())]


def _days(listed: str, received_ns: int) -> int | None:
    """From the prices to the list, in days; None where its day is not known."""
    try:
        day = date.fromisoformat(listed)
    except ValueError:
        return None
    return (day - datetime.fromtimestamp(received_ns // 10**9, UTC).date()).days


def _sentence(fee: str, listed: str, series: dict[str, int]) -> str:
    names = sorted(series)
    of = ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
    if not listed:
        return f"{FEES}{of}: {fee}, from a list without a day"
    most = max(series.values(), key=abs)
    return f"{FEES}{of}: {fee}, as listed on {listed}, {abs(most)} days {'later' if most > 0 else 'earlier'}"
