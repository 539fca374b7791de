"""Every recorded file is read without loss or refused with the right word; ``-s`` prints the sums per file."""

from __future__ import annotations

from pathlib import Path

import pytest

from markets.kalshi.schemas.boundary import parse
from markets.kalshi.schemas.catalogue import EVENT, build_event

from . import recorded as r

REFUSED = {
    "rest/events_settled.json": "Object missing required field `mutually_exclusive`",
    "orders/get_fills.json": "Object missing required field `outcome_side`",
    "orders/get_positions.json": "Object missing required field `position_fp`",
    "orders/order_lifecycle.json": "Object missing required field `outcome_side`",
}
"""Bodies of the cents era, and one that its source had shortened."""


LONG = ("ws/gold15m/KX", "catalog/events_all")


@pytest.mark.shared
def test_every_file_adds_up_and_only_the_old_era_is_refused(recorded: Path) -> None:
    totals: dict[str, int] = {}
    for path, read in r.files(recorded):
        name = str(path.relative_to(recorded))
        if name.startswith(LONG):
            continue
        count = read(path)
        print(count.line(name))
        assert count.received == count.applied + count.ignored + count.rejected > 0
        assert list(count.reasons) == ([REFUSED[name]] if name in REFUSED else [])
        totals[name.split("/")[0]] = totals.get(name.split("/")[0], 0) + count.received
    assert totals == {
        "ws": 28,
        "snapshots": 1305 + 6376,
        "books": 8240,
        "catalog": 157_967 - 141_097,
        "rest": 11,
        "orders": 9,
    }


@pytest.mark.shared
@pytest.mark.slow
def test_all_141097_recorded_events_are_read(recorded: Path) -> None:
    (path,) = recorded.glob("catalog/events_all*")
    count = r.one_by_one(path, lambda line: parse(EVENT, build_event, line))
    assert (count.received, count.applied) == (141_097, 141_097)


def gold(recorded: Path, names: list[str]) -> int:
    received = 0
    for path in sorted(path for name in names for path in recorded.glob(f"ws/gold15m/{name}.ndjson.gz")):
        count = r.ws_file(path)
        print(count.line(path.name))
        assert count.received == count.applied
        assert count.notes["crossed"] == count.notes["negative levels"] == 0
        received += count.received
    return received


@pytest.mark.shared
def test_recorded_books_are_never_crossed_over_a_real_reconnect(recorded: Path) -> None:
    assert gold(recorded, ["*102030-30*"]) == 34_334


@pytest.mark.shared
@pytest.mark.slow
def test_all_746381_recorded_messages_rebuild_books_that_are_never_crossed(recorded: Path) -> None:
    assert gold(recorded, ["KX*"]) == 746_381
