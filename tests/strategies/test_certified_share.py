"""``manage.py certified_share``: the certified share by category and grade, live and of a recorded snapshot."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import call_command

from markets.catalogue.scan import scan
from markets.kalshi.rest.client import KalshiClient
from markets.terms.grades import Grade
from tests.markets import conftest
from tests.markets.exchange import SmallExchange, game, temperature
from tests.strategies.test_evaluate import SNAPSHOT

exchange, client = conftest.exchange, conftest.client


def report(*arguments: str) -> dict[str, Any]:
    out = io.StringIO()
    call_command("certified_share", *arguments, "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def test_a_snapshot_has_a_certified_share_with_the_texts_of_its_series_and_none_without() -> None:
    bare, filled = report(str(SNAPSHOT)), report(str(SNAPSHOT), "--rules", "public")
    sure = Grade.IF_DETERMINED.label
    assert {row[sure] for row in bare["categories"].values()} == {0}
    assert {row["why"] for row in bare["events"]} == {"rules not recorded"}
    assert filled["categories"]["Climate and Weather"] == {
        "guaranteed": 0,
        sure: 80,
        "conditional": 0,
        "exclusive": 80,
    }
    assert filled["categories"]["Crypto"][sure] == filled["categories"]["Crypto"]["exclusive"] == 2
    coins = [row for row in filled["events"] if row["category"] == "Crypto"]
    assert {(row["yes"], row["no"], row["rules"]) for row in coins} == {("conditional", sure, "by series, from a file")}


@pytest.mark.django_db
def test_the_live_catalogue_lists_each_certificate_with_its_grade(
    exchange: SmallExchange, client: KalshiClient
) -> None:
    exchange.add(temperature("KXHIGHMIA-1"), temperature("KXHIGHMIA-2"), game("KXGAME-1"))
    exchange.listed["KXHIGHMIA-2"]["markets"][1]["rules_primary"] = "Something else altogether."
    scan(client)
    found = {row["event"]: row for row in report()["events"]}
    assert (found["KXHIGHMIA-1"]["yes"], found["KXHIGHMIA-1"]["why"]) == (Grade.IF_DETERMINED.label, "")
    assert (found["KXHIGHMIA-2"]["yes"], found["KXHIGHMIA-2"]["why"]) == (Grade.CONDITIONAL.label, "rules_unread")
    out = io.StringIO()
    call_command("certified_share", stdout=out)
    assert "KXHIGHMIA-1" in out.getvalue()
    assert "not certified: 1 x rules_unread" in out.getvalue()
