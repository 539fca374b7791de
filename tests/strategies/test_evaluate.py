"""``manage.py evaluate``: the recorded exchange judged by the code that trades."""

from __future__ import annotations

import gzip
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from strategies.catalogue import recorded
from strategies.models import Profile
from strategies.profiles import seeds

pytestmark = pytest.mark.alike

SNAPSHOT = Path(__file__).resolve().parents[2] / "simulator" / "data" / "20260719T155529Z"
RULES = str(Path(__file__).resolve().parents[1] / "data" / "dutch" / "weather_rules.jsonl.gz")
OTHER_PASSES = ("20260719T005522Z", "20260719T035521Z", "20260719T095523Z")


def _evaluate(folder: Path, *options: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("evaluate", str(folder), "--profile", "balanced", "--json", *options, stdout=out)
    document: dict[str, Any] = json.loads(out.getvalue())
    return document


def _bought(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["event"]: row["basket"] for row in document["events"] if row["verdict"] == "candidate"}


@pytest.mark.django_db
def test_the_recorded_pass_holds_exactly_one_guaranteed_basket_without_a_least_profit() -> None:
    document = _evaluate(SNAPSHOT, "--min-profit", "0", "--fee-grid", "0.0001", "--rules", RULES)
    assert _bought(document).keys() == {"KXHIGHTDC-26JUL20"}
    basket = _bought(document)["KXHIGHTDC-26JUL20"]
    assert (basket["kind"], basket["count"], len(basket["legs"])) == ("all_yes", "5.00", 6)
    assert (basket["floor"], basket["profit"]) == ("5.00", "0.0385")
    assert {leg["side"] for leg in basket["legs"]} == {"yes"}
    assert basket["grade"] == "guaranteed if determined"
    rules = {row["event"]: row["rules"] for row in document["events"]}
    assert rules["KXHIGHTDC-26JUL20"] == "by series, from a file"
    assert "not recorded" in rules.values()
    assert sum(document["totals"].values()) == len(document["events"]) == 322


@pytest.mark.django_db
def test_a_profile_that_takes_guaranteed_only_refuses_what_nobody_registered() -> None:
    out = io.StringIO()
    options = ["--min-profit", "0", "--fee-grid", "0.0001", "--rules", RULES, "--json"]
    call_command("evaluate", str(SNAPSHOT), "--profile", "careful", *options, stdout=out)
    document = json.loads(out.getvalue())
    assert _bought(document) == {}
    row = next(row for row in document["events"] if row["event"] == "KXHIGHTDC-26JUL20")
    assert (row["constraint"], row["value"], row["limit"]) == ("grade", "guaranteed if determined", "guaranteed")


@pytest.mark.django_db
def test_without_rules_texts_nothing_has_a_certificate_and_nothing_is_bought() -> None:
    document = _evaluate(SNAPSHOT, "--min-profit", "0", "--fee-grid", "0.0001")
    assert _bought(document) == {}
    assert {row["rules"] for row in document["events"]} == {"not recorded"}
    assert not any(row["certified"] for row in document["events"])


@pytest.mark.django_db
def test_nothing_is_bought_with_the_seeded_least_profit_or_a_hundred_contracts_a_leg() -> None:
    for options in ([], ["--min-profit", "0", "--count", "100"]):
        assert _bought(_evaluate(SNAPSHOT, "--rules", RULES, "--rules", "public", *options)) == {}


@pytest.mark.django_db
def test_one_cent_on_the_cent_grid_is_less_than_crumbs_could_cost() -> None:
    """4 sets cost 3.76 and six fees, each rounded up to a cent, 0.23: one cent is left if every leg fills in one piece."""
    document = _evaluate(SNAPSHOT, "--min-profit", "0", "--fee-grid", "0.01", "--rules", RULES)
    assert _bought(document) == {}
    row = next(row for row in document["events"] if row["event"] == "KXHIGHTDC-26JUL20")
    assert (row["constraint"], row["value"]) == ("fee_bound", "$0.0100")


@pytest.mark.django_db
def test_every_event_has_a_verdict_and_every_verdict_but_buying_a_reason() -> None:
    document = _evaluate(SNAPSHOT)
    assert len({row["event"] for row in document["events"]}) == len(document["events"])
    for row in document["events"]:
        assert row["verdict"] in ("candidate", "near_miss", "rejected")
        assert bool(row["constraint"]) == (row["verdict"] != "candidate")
        if row["verdict"] == "near_miss":
            assert row["distance_ppm"] <= seeds.find("balanced").near_miss_ppm
            assert row["flip"]
    ladders = [row for row in document["events"] if not row["exclusive"]]
    assert ladders
    assert {row["constraint"] for row in ladders} == {"exclusive"}


@pytest.mark.shared
@pytest.mark.django_db
@pytest.mark.parametrize("name", OTHER_PASSES)
def test_the_other_recorded_passes_hold_no_guaranteed_basket_at_all(recorded: Path, name: str) -> None:
    assert (
        _bought(_evaluate(recorded / "snapshots" / name, "--min-profit", "0", "--fee-grid", "0.0001", "--rules", RULES))
        == {}
    )


@pytest.mark.django_db
def test_the_table_names_every_event_and_the_totals() -> None:
    out = io.StringIO()
    call_command("evaluate", str(SNAPSHOT), "--profile", "balanced", "--min-profit", "0", "--rules", RULES, stdout=out)
    text = out.getvalue()
    for name in recorded.load(SNAPSHOT).events:
        assert name in text
    assert "322 events: 1 would be bought" in text


def test_a_seeded_profile_is_known_without_a_database(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError

    def no_table(*args: object, **kwargs: object) -> None:
        raise OperationalError("no such table")

    monkeypatch.setattr(Profile.objects, "filter", no_table)
    assert seeds.find("careful").kinds == ["all_yes", "all_no"]


@pytest.mark.django_db
def test_a_stored_profile_counts_before_the_seeded_definition() -> None:
    Profile.objects.create(name="careful", kinds=["all_no"])
    assert seeds.find("careful").kinds == ["all_no"]


@pytest.mark.django_db
def test_what_is_no_snapshot_or_no_profile_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"has no events.jsonl.gz and no orderbooks.jsonl.gz"):
        _evaluate(tmp_path)
    with pytest.raises(CommandError, match="is not a folder"):
        _evaluate(tmp_path / "nothing")
    (tmp_path / "orderbooks.jsonl.gz").write_bytes(b"")
    (tmp_path / "events.jsonl.gz").write_bytes(b"not gzip at all")
    with pytest.raises(CommandError, match="cannot be read as gzip"):
        _evaluate(tmp_path)
    (tmp_path / "events.jsonl.gz").write_bytes(gzip.compress(b'{"nonsense": 1}\n'))
    with pytest.raises(CommandError, match="line 1 is not a page of events"):
        _evaluate(tmp_path)
    (tmp_path / "events.jsonl.gz").write_bytes(gzip.compress(b""))
    with pytest.raises(CommandError, match="holds no event"):
        _evaluate(tmp_path)
    with pytest.raises(CommandError, match='no profile "nobody"'):
        call_command("evaluate", str(SNAPSHOT), "--profile", "nobody")
    for option in (["--count", "0"], ["--count", "many"], ["--min-profit", "-"]):
        with pytest.raises(CommandError):
            _evaluate(SNAPSHOT, *option)


@pytest.mark.django_db
def test_a_corrupt_book_leaves_its_market_without_a_price_and_is_counted(tmp_path: Path) -> None:
    shutil.copy(SNAPSHOT / "events.jsonl.gz", tmp_path)
    crossed = {"ticker": "X", "orderbook_fp": {"yes_dollars": [["0.6000", "1.00"]], "no_dollars": [["0.5000", "1.00"]]}}
    (tmp_path / "orderbooks.jsonl.gz").write_bytes(gzip.compress(json.dumps(crossed).encode() + b"\n"))
    document = _evaluate(tmp_path, "--at", "2026-07-19T15:55:29+00:00")
    assert len(document["refused"]) == 1
    assert "crossed" in document["refused"][0]
    assert _bought(document) == {}
