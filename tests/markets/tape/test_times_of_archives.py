"""Archives whose times are not UTC: what their rows contradict is refused, and a person may name the zone."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pyarrow
import pyarrow.parquet
import pytest
from django.core.management import CommandError, call_command

from markets.tape.imports import registry, zones
from markets.tape.imports.source import Refused, nanoseconds
from markets.tape.reader import Tape
from markets.tape.records import Kind
from tests.markets.tape.test_imports import answered


@pytest.mark.parametrize(("first", "is_read"), [("19:00:00", False), ("23:49:00", False), ("23:51:00", True)])
@pytest.mark.parametrize("zone", ["", "Z"])
def test_an_archive_with_rows_from_before_a_market_opened_is_refused(
    tmp_path: Path, first: str, is_read: bool, zone: str
) -> None:
    """In New York's time, without a zone: the opening at midnight UTC is said to have been at seven the evening before."""
    event = "KXHIGHNY-26OCT13"
    file = tmp_path / "events.jsonl"
    file.write_text(json.dumps(answered(event, "2026-10-13")))
    row = {"ticker": f"{event}-B60.5", "yes_price": 0.4, "count": 1.0, "taker_side": "yes"}
    rows = [row | {"ts_recv": at} for at in (f"2026-10-12T{first}{zone}", f"2026-10-13T12:00:00{zone}")]
    (part,) = registry.parts("kalshi-eye", _archive(tmp_path, "trades", rows))
    if is_read:
        assert registry.run(part, tmp_path / "tapes", file).records
    else:
        with pytest.raises(Refused, match="before it opened; times must be UTC"):
            registry.run(part, tmp_path / "tapes", file)
        assert not (tmp_path / "tapes").exists()


def _archive(folder: Path, dataset: str, rows: list[dict[str, Any]]) -> Path:
    folder = folder / "archive" / dataset
    folder.mkdir(parents=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "part-0.parquet")
    return folder.parent


_LEVEL: Final = {"side": "yes", "price": 0.4, "is_snapshot": False, "seq": 1}
_COMPLETE: Final = {
    "message_type": "price_level_update",
    "price_level_update_price": 0.4,
    "price_level_update_side": "bid",
    **{f"snapshot_{side}_{name}": None for side in ("bid", "ask") for name in ("prices", "sizes")},
}
AFTER_CLOSE: Final[list[tuple[str, dict[str, Any], dict[str, Any]]]] = [
    ("trades", {"yes_price": 0.4, "count": 1.0, "taker_side": "yes"}, {}),
    ("book_l2", _LEVEL | {"size": 5.0}, _LEVEL | {"size": -5.0}),
    ("complete", _COMPLETE | {"price_level_update_quantity": 5.0}, _COMPLETE | {"price_level_update_quantity": 0.0}),
]
"""Dataset, a row by which somebody traded or bid, one that only takes a bid away."""


@pytest.mark.parametrize(("dataset", "active", "gone"), AFTER_CLOSE, ids=[dataset for dataset, _, _ in AFTER_CLOSE])
def test_an_archive_in_which_somebody_trades_after_the_close_is_refused_until_its_zone_is_named(
    tmp_path: Path, dataset: str, active: dict[str, Any], gone: dict[str, Any]
) -> None:
    """Berlin's clock says 22:30 when the market, which closes at 21:00 UTC, has half an hour left. What is taken off a book later than
    the close is nothing: the exchange does that."""
    event, kind = "KXHIGHNY-26OCT13", "predictiondata" if dataset == "complete" else "kalshi-eye"
    file = tmp_path / "events.jsonl"
    file.write_text(json.dumps(answered(event, "2026-10-13", close_time="2026-10-13T21:00:00Z")))
    column = {"complete": "local_timestamp"}.get(dataset, "ts_recv")
    ticker = {"ticker": f"{event}-B60.5"}
    rows = [ticker | active | {column: "2026-10-13T22:30:00"}]
    rows += [ticker | gone | {column: "2026-10-13T23:30:00"}] if gone else []
    root = _archive(tmp_path, dataset, rows)
    (part,) = registry.parts(kind, root)
    with pytest.raises(
        Refused, match=r"1\.5 h after it closed; times must be UTC: name the zone of others with --times-zone"
    ):
        registry.run(part, tmp_path / "tapes", file)
    (part,) = registry.parts(kind, root, ZoneInfo("Europe/Berlin"))
    registry.run(part, tmp_path / "tapes", file)
    (tape,) = (Tape.open(folder) for folder in (tmp_path / "tapes").iterdir())
    kinds = (Kind.TRADE,) if dataset == "trades" else (Kind.FRAMES,)
    assert next(record.received_ns for record in tape.records(kinds=kinds)) == nanoseconds("2026-10-13T20:30:00Z")
    assert "times without a zone are of Europe/Berlin" in tape.about["assumed"]
    if gone:
        in_time = [row | {column: f"2026-10-13T{at}Z"} for row, at in zip(rows, ("20:30:00", "23:30:00"), strict=True)]
        (part,) = registry.parts(kind, _archive(tmp_path / "late", dataset, in_time))
        assert registry.run(part, tmp_path / "late" / "tapes", file).records


def test_a_time_that_a_zone_has_twice_or_never_is_none_and_one_that_names_its_zone_stays() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    summer = nanoseconds("2026-07-01T12:00:00Z")
    said = {
        "2026-07-01T12:00:00": summer - 2 * 3_600 * 10**9,
        str(summer): summer - 2 * 3_600 * 10**9,
        "2026-07-01T12:00:00Z": summer,
        "2026-07-01T12:00:00+00:00": summer,
        "2026-07-01T12:00:00-05:00": summer + 5 * 3_600 * 10**9,
        "2026-10-25T02:30:00": None,
        "2026-03-29T02:30:00": None,
        "soon": None,
    }
    for text, expected in said.items():
        ((row),) = zones.in_zone([{"ts_recv": text}], "ts_recv", berlin)
        found = None
        with contextlib.suppress(ValueError):
            found = zones.instant(row["ts_recv"])
        assert found == expected, text


def test_a_zone_is_for_archives_and_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="--times-zone is for archives"):
        call_command("tape", "import", "prints", tmp_path, tmp_path / "tapes", "--times-zone", "UTC")
    with pytest.raises(CommandError, match="not a time zone such as Europe/Berlin"):
        call_command("tape", "import", "kalshi-eye", tmp_path, tmp_path / "tapes", "--times-zone", "Berlin")
