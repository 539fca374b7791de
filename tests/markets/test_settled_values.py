"""The value that a market settled on: read strictly, stored with the market, filled in where it is missing."""

from __future__ import annotations

import json
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from markets.catalogue import settled_values
from markets.catalogue.scan import scan
from markets.kalshi.rest.client import KalshiClient
from markets.models import Market
from markets.tape.imports import registry
from markets.tape.imports.source import Aside
from markets.tape.records import Kind
from markets.tape.writer import TapeWriter
from markets.terms.settled_value import Unit, agreed, parse
from tests.markets.exchange import Json, SmallExchange, temperature


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("91.00", Unit.FAHRENHEIT, "91"),
        ("-7", Unit.FAHRENHEIT, "-7"),
        (" 104.00°F ", Unit.FAHRENHEIT, "104"),
        ("88 °F", Unit.FAHRENHEIT, "88"),
        ("64250.13", Unit.DOLLARS, "64250.13"),
        ("$1,234.5", Unit.DOLLARS, "1234.5"),
        ("4.2%", Unit.PERCENT, "4.2"),
        ("-0.1", Unit.PERCENT, "-0.1"),
        ("57,000", Unit.NUMBER, "57000"),
    ],
)
def test_a_number_in_the_contract_s_unit_is_the_value(text: str, unit: Unit, value: str) -> None:
    assert parse(text, unit) == Decimal(value)


WORDS = (
    "",
    "yes",
    "Los Angeles",
    "92. Although the Daily Climate Report was late",
    "91 or 92",
    "91-92",
    "91\n92",
    "≥91",
)
UNITS = ("33 °C", "33C", "305 K", "$4%", "91.00 %F")
NUMBERS = ("9,1", "1,23,456", "91..0", ".5", "5.", "1e3", "nan", "inf", "--5", "\u0669\u0661", "0x5b", "1_000")


@pytest.mark.parametrize("unit", list(Unit))
@pytest.mark.parametrize("text", [*WORDS, *UNITS, *NUMBERS])
def test_everything_else_is_no_value(text: str, unit: Unit) -> None:
    assert parse(text, unit) is None


def test_another_unit_than_the_contract_s_is_no_value() -> None:
    assert parse("91%", Unit.FAHRENHEIT) is None
    assert parse("$91", Unit.FAHRENHEIT) is None
    assert parse("4.2°F", Unit.PERCENT) is None


def test_the_markets_of_an_event_must_agree() -> None:
    assert agreed(["", "91.00", "91"], Unit.FAHRENHEIT) == 91
    assert agreed(["91.00", "92.00"], Unit.FAHRENHEIT) is None
    assert agreed(["91.00", "see note"], Unit.FAHRENHEIT) is None
    assert agreed(["", ""], Unit.FAHRENHEIT) is None


def settled(event: Json, value: str) -> Json:
    markets = [
        one | {"status": "finalized", "result": "yes" if n == 1 else "no", "expiration_value": value}
        for n, one in enumerate(event["markets"])
    ]
    return event | {"markets": markets}


def listed_values() -> dict[str, str]:
    return dict(Market.objects.values_list("ticker", "expiration_value"))


@pytest.mark.django_db
def test_a_scan_stores_the_value_with_the_settled_market(exchange: SmallExchange, client: KalshiClient) -> None:
    exchange.add(temperature("KXHIGHX-1"))
    scan(client)
    assert set(listed_values().values()) == {""}
    exchange.known["KXHIGHX-1"] = settled(exchange.listed.pop("KXHIGHX-1"), "80.00")
    scan(client)
    assert set(listed_values().values()) == {"80.00"}


@pytest.mark.django_db
def test_missing_values_come_from_the_live_and_the_historical_listing(
    exchange: SmallExchange, client: KalshiClient
) -> None:
    exchange.add(temperature("KXHIGHX-1"), temperature("KXHIGHX-2"))
    scan(client)
    Market.objects.update(result="no", status="finalized")  # announced by the stream, which does not carry the value
    Market.objects.filter(ticker="KXHIGHX-1-0").update(expiration_value="79.00")
    exchange.known["KXHIGHX-1"] = settled(exchange.listed.pop("KXHIGHX-1"), "80.00")
    exchange.archive["KXHIGHX-2"] = settled(exchange.listed.pop("KXHIGHX-2"), "81.00")
    missing = settled_values.missing(["KXHIGHX-1", "KXHIGHX-2"])
    assert missing == ["KXHIGHX-1-1", "KXHIGHX-1-2", "KXHIGHX-2-0", "KXHIGHX-2-1", "KXHIGHX-2-2"]
    assert settled_values.fill(client, missing) == 5
    found = listed_values()
    assert found["KXHIGHX-1-0"] == "79.00"
    assert found["KXHIGHX-1-2"] == "80.00"
    assert found["KXHIGHX-2-1"] == "81.00"
    out = StringIO()
    Market.objects.update(expiration_value="")
    call_command("settled_values", "--series", "KXHIGHMIA", stdout=out)
    assert out.getvalue().startswith("6 values written; 0 settled markets have none.")


@pytest.mark.django_db
def test_missing_values_come_from_a_tape(exchange: SmallExchange, client: KalshiClient, tmp_path: Path) -> None:
    exchange.add(temperature("KXHIGHX-1"))
    scan(client)
    Market.objects.update(result="no")
    event = settled(temperature("KXHIGHX-1"), "80.00")
    event["markets"][2] |= {"result": "", "expiration_value": "83.00"}
    last: dict[str, Any] = {"result": "no", "settlement_value_dollars": "0.0000", "expiration_value": "81.00"}
    writer = TapeWriter(tmp_path, "scan", {"exchange": "test"})
    writer.record(Kind.EVENT, "KXHIGHX-1", event, 1_000_000_000)
    writer.record(Kind.SETTLEMENT, "KXHIGHX-1-1", last, 2_000_000_000)
    writer.close()
    assert settled_values.fill_from_tape(tmp_path) == 2
    assert listed_values() == {"KXHIGHX-1-0": "80.00", "KXHIGHX-1-1": "81.00", "KXHIGHX-1-2": ""}


@pytest.mark.shared
def test_an_imported_recording_s_settlements_carry_the_value(shared: Path) -> None:
    [part] = [one for one in registry.parts("prints", shared / "recorded2") if one.writer == "KXHIGHDEN_2024-12"]
    found = [json.loads(r.payload) for r in part.read(Aside()) if r.kind is Kind.SETTLEMENT]
    assert len(found) == 6 * 31
    values = [parse(row["expiration_value"], Unit.FAHRENHEIT) for row in found if row["result"] == "yes"]
    assert len(values) == 31
    assert None not in values
