"""From a temperature event to station, day and bounds: right for every recorded series, and silent where anything differs."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from markets.terms.reading.primary import read_condition
from markets.terms.reading.text import plain
from triage.weather import mapping
from triage.weather.mapping import Bounds, DailyMarket, OtherSource, Unmapped, daily_market, reviewed_series, stations

DATA = Path(__file__).parent.parent / "data" / "weather"

EXPECTED = {
    "KATL": ("KXHIGHTATL", "KXLOWTATL"),
    "KAUS": ("KXHIGHAUS", "KXLOWTAUS"),
    "KBOS": ("KXHIGHTBOS", "KXLOWTBOS"),
    "KMDW": ("KXHIGHCHI", "KXLOWTCHI"),
    "KDFW": ("KXHIGHTDAL", "KXLOWTDAL"),
    "KDCA": ("KXHIGHTDC", "KXLOWTDC"),
    "KDEN": ("KXHIGHDEN", "KXLOWTDEN"),
    "KHOU": ("KXHIGHTHOU", "KXLOWTHOU"),
    "KLAS": ("KXHIGHTLV", "KXLOWTLV"),
    "KLAX": ("KXHIGHLAX", "KXLOWTLAX"),
    "KMIA": ("KXHIGHMIA", "KXLOWTMIA"),
    "KMSP": ("KXHIGHTMIN", "KXLOWTMIN"),
    "KMSY": ("KXHIGHTNOLA", "KXLOWTNOLA"),
    "KNYC": ("KXHIGHNY", "KXLOWTNYC"),
    "KOKC": ("KXHIGHTOKC", "KXLOWTOKC"),
    "KPHL": ("KXHIGHPHIL", "KXLOWTPHIL"),
    "KPHX": ("KXHIGHTPHX", "KXLOWTPHX"),
    "KSAT": ("KXHIGHTSATX", "KXLOWTSATX"),
    "KSEA": ("KXHIGHTSEA", "KXLOWTSEA"),
    "KSFO": ("KXHIGHTSFO", "KXLOWTSFO"),
}
"""Written by hand from the recorded rules: station -> series of its high and of its low."""


def recorded_meta() -> list[dict[str, Any]]:
    with gzip.open(DATA / "series_meta_2026-07-16.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def actuals() -> list[dict[str, Any]]:
    rows = {}
    for path in sorted(DATA.glob("actuals_*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                rows[(row["cli_station"], row["target_day"])] = row
    return list(rows.values())


def strikes_of(tickers: list[str]) -> list[dict[str, str]]:
    """Strikes as in the recorded books: ``B91.5`` = 91 to 92; of the two ``T`` the smaller is "less", the larger "greater"."""
    ends = sorted(int(t.rpartition("-T")[2]) for t in tickers if "-T" in t)
    rows = []
    for ticker in tickers:
        kind, number = ticker.rpartition("-")[2][0], ticker.rpartition("-")[2][1:]
        if kind == "B":
            low = int(float(number))
            rows.append(
                {"ticker": ticker, "strike_type": "between", "floor": str(low), "cap": str(low + 1), "rules": ""}
            )
        elif int(number) == ends[0]:
            rows.append({"ticker": ticker, "strike_type": "less", "floor": "", "cap": number, "rules": ""})
        else:
            rows.append({"ticker": ticker, "strike_type": "greater", "floor": number, "cap": "", "rules": ""})
    return rows


def new_york(**changes: Any) -> DailyMarket:
    """Yesterday's whole event, as it would be served, with changes."""
    text = (
        "If the highest temperature recorded in Central Park, New York for July 17, 2026 as reported by the National Weather "
        "Service's Climatological Report (Daily), {}, then the market resolves to Yes."
    )
    markets = [
        {"ticker": "L", "strike_type": "less", "floor": "", "cap": "83", "rules": text.format("is less than 83°")},
        {
            "ticker": "M",
            "strike_type": "between",
            "floor": "83",
            "cap": "84",
            "rules": text.format("is between 83-84°"),
        },
        {
            "ticker": "H",
            "strike_type": "greater",
            "floor": "84",
            "cap": "",
            "rules": text.format("is greater than 84°"),
        },
    ]
    values: dict[str, Any] = {
        "event_ticker": "KXHIGHNY-26JUL17",
        "series": "KXHIGHNY",
        "markets": markets,
        "sources": [("NWS", "https://forecast.weather.gov/product.php?site=OKX&product=CLI&issuedby=NYC")],
    }
    return daily_market(**(values | changes))


def test_every_recorded_daily_series_is_mapped_to_its_station_and_extreme() -> None:
    found = {row["station"]: ["", ""] for row in reviewed_series().values()}
    for series, row in reviewed_series().items():
        found[row["station"]][row["extreme"] == "low"] = series
    assert {station: tuple(pair) for station, pair in found.items()} == EXPECTED


def test_the_data_file_is_what_the_recorded_texts_say() -> None:
    daily = [row for row in recorded_meta() if row["group"] == "daily"]
    assert len(daily) == 40
    for row in daily:
        kept = reviewed_series()[row["series"]]
        station = stations()[kept["station"]]
        [source] = row["settlement_sources"]
        assert mapping.issuing_station(source["url"]) == station.issued_by
        assert mapping.extreme_of(row["rules_primary"]) == kept["extreme"]
        assert kept["evidence"]["rules"] == row["rules_primary"]
        assert kept["evidence"]["settlement_source"] == source
        mapping.check_secondary(row["rules_secondary"], station)
        event, _, strike = row["sample_ticker"].rpartition("-T")
        greater = "greater" in row["rules_primary"]
        bounds = Bounds(int(strike) + 1, None) if greater else Bounds(None, int(strike) - 1)
        mapping.check_rules(row["rules_primary"], station, kept["extreme"], mapping.ticker_day(event), bounds)


def test_hourly_series_of_another_company_are_not_mapped() -> None:
    hourly = [row["series"] for row in recorded_meta() if row["group"] != "daily"]
    assert len(hourly) == 5
    assert not set(hourly) & set(reviewed_series())
    with pytest.raises(Unmapped, match="not a reviewed"):
        daily_market("KXTEMPNYCH-26JUL1522", "KXTEMPNYCH", [], [])


def test_all_settled_events_agree_with_mapping_rounding_and_inclusive_bounds() -> None:
    """79 settled events: the official value of the mapped station and extreme falls into the outcome that was paid."""
    checked = 0
    for row in actuals():
        for event in row["settled_markets"]["events"]:
            market = daily_market(event["event_ticker"], event["series"], strikes_of(list(event["results"])), [])
            assert market.station.icao == row["cli_station"]
            assert market.day.isoformat() == row["target_day"]
            value = row["actuals"][market.extreme]["cli"]
            assert value == float(event["expiration_value"])
            inside = [ticker for ticker, bounds in market.bounds.items() if bounds.has(int(value))]
            assert inside == [ticker for ticker, result in event["results"].items() if result == "yes"]
            checked += 1
    assert checked == 79


def test_trading_ends_with_the_climate_day_in_local_standard_time() -> None:
    """The recorded close times say so: midnight standard time, or a minute before, in the middle of summer."""
    for row in actuals():
        for event in row["settled_markets"]["events"]:
            market = daily_market(event["event_ticker"], event["series"], strikes_of(list(event["results"])), [])
            close = datetime.fromisoformat(event["close_time"])
            assert timedelta(0) <= datetime.fromtimestamp(market.ends_ms / 1000, UTC) - close <= timedelta(minutes=1)


@pytest.mark.parametrize("day", [date(2026, 3, 8), date(2026, 11, 1), date(2026, 7, 17), date(2026, 1, 1)])
def test_the_climate_day_has_24_hours_even_when_the_clocks_change(day: date) -> None:
    for station in stations().values():
        start, end = station.day_bounds(day)
        assert end - start == 24 * 3_600_000
        zone = ZoneInfo(station.timezone)
        local = datetime.fromtimestamp(start / 1000, zone)
        assert local - (local.dst() or timedelta(0)) == datetime(day.year, day.month, day.day, tzinfo=zone)
        assert station.day_of(start) == station.day_of(end - 1) == day
        assert station.day_of(end) == day + timedelta(days=1)


def test_standard_offsets_are_those_of_the_time_zones() -> None:
    for station in stations().values():
        moment = datetime(2026, 7, 1, tzinfo=ZoneInfo(station.timezone))
        standard = (moment.utcoffset() or timedelta(0)) - (moment.dst() or timedelta(0))
        assert standard == timedelta(hours=station.standard_hours), station.icao


def test_a_whole_event_is_mapped_with_its_bounds() -> None:
    market = new_york()
    assert (market.station.icao, market.extreme, market.day) == ("KNYC", "high", date(2026, 7, 17))
    assert market.bounds == {"L": Bounds(None, 82), "M": Bounds(83, 84), "H": Bounds(85, None)}
    assert datetime.fromtimestamp(market.starts_ms / 1000, UTC) == datetime(2026, 7, 17, 5, tzinfo=UTC)


def markets_with(index: int, **changes: str) -> list[dict[str, str]]:
    rows = [
        {"ticker": "L", "strike_type": "less", "floor": "", "cap": "83", "rules": ""},
        {"ticker": "M", "strike_type": "between", "floor": "83", "cap": "84", "rules": ""},
        {"ticker": "H", "strike_type": "greater", "floor": "84", "cap": "", "rules": ""},
    ]
    rows[index] |= changes
    return rows


RULE = (
    "If the {word} temperature recorded in {place} for {day} as reported by the National Weather Service's "
    "Climatological Report (Daily), is {bound}, then the market resolves to Yes."
)
GOOD = {"word": "highest", "place": "Central Park, New York", "day": "July 17, 2026", "bound": "between 83-84°"}


SECOND = (
    "Data for {} can be found by clicking the following URL: https://www.weather.gov/wrh/Climate?wfo=okx, navigating to the "
    '"Observed Weather" tab, and choosing the location "{}" with Daily Climate Report selected.'
)
CHOOSE = (
    "As noted in the Rulebook, for the actual Underlying, please go to the Source Agency link, click on "
    '"Observed Weather", then choose "{}".'
)
TERMS = "https://kalshi-public-docs.s3.amazonaws.com/contract_terms/"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"sources": [("NWS", "https://forecast.weather.gov/product.php?site=OKX&product=CLI&issuedby=LGA")]},
            "settles on LGA",
        ),
        (
            {"sources": [("NWS", "https://forecast.weather.gov/product.php?site=OKX&product=CF6&issuedby=NYC")]},
            "settles on",
        ),
        ({"sources": [("x", "https://weather.example/product.php?product=CLI&issuedby=NYC")]}, "settles on"),
        ({"sources": [("The Weather Company", "https://weather.com/kalshi")]}, "settles on"),
        ({"rules_secondary": "Data for CLILGA can be found there."}, "not read"),
        ({"rules_secondary": SECOND.format("CLILGA", "Central Park NY")}, "CLILGA"),
        ({"rules_secondary": SECOND.format("CLINYC", "LaGuardia, NY")}, "LaGuardia"),
        (
            {
                "rules_secondary": SECOND.format("CLINYC", "Central Park NY")
                + "\n"
                + SECOND.format("CLIJFK", "Central Park NY")
            },
            "CLIJFK",
        ),
        ({"rules_secondary": CHOOSE.format("Kennedy Airport")}, "Kennedy"),
        ({"rules_secondary": CHOOSE.replace('"', "\u201d").format("Kennedy Airport")}, "Kennedy"),
        ({"rules_secondary": SECOND.format("CLI\u200bLGA", "Central Park NY")}, "LGA"),
        ({"terms_url": TERMS + "GLOBALTEMPERATURE-2.pdf"}, "not reviewed"),
        ({"terms_url": TERMS + "globaltemperature%20v2.pdf?versionId=3"}, "not reviewed"),
        ({"terms_url": TERMS + "GLOBALTEMPERATURE/"}, "not reviewed"),
        ({"terms_url": "https://weather.example"}, "not reviewed"),
        ({"rules_secondary": "The Weather Company is the first source agency."}, "not read"),
        ({"series": "KXHIGHXX"}, "not a reviewed"),
        ({"event_ticker": "KXHIGHNY-26JUL18"}, "another day"),
        ({"event_ticker": "KXHIGHNY-26FEB30"}, "no such day"),
        ({"event_ticker": "KXHIGHNY-SOON"}, "no day"),
        ({"markets": markets_with(1, rules=RULE.format(**GOOD | {"place": "LaGuardia Airport"}))}, "LaGuardia"),
        ({"markets": markets_with(1, rules=RULE.format(**GOOD | {"word": "lowest"}))}, "lowest"),
        ({"markets": markets_with(1, rules=RULE.format(**GOOD | {"bound": "between 83-85°"}))}, "the rules name"),
        ({"markets": markets_with(1, rules=RULE.format(**GOOD | {"bound": "greater than 83°"}))}, "the rules name"),
        (
            {"markets": markets_with(1, rules="If it is hot, then the market resolves to Yes.")},
            "not those of a daily climate",
        ),
        ({"markets": markets_with(1, floor="83.5")}, "whole degree"),
        ({"markets": markets_with(1, floor="82")}, "do not tile"),
        ({"markets": markets_with(2, floor="85")}, "do not tile"),
        ({"markets": markets_with(2, strike_type="custom")}, "no known kind"),
        ({"markets": markets_with(0)[1:]}, "no open ends"),
        ({"markets": []}, "no open ends"),
    ],
)
def test_what_differs_anywhere_is_not_mapped(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unmapped, match=reason):
        new_york(**changes)


WHOLE = RULE.format(**GOOD)


@pytest.mark.parametrize(
    "rule",
    [
        WHOLE.replace("as reported by the", "as reported by The Weather Company, or else the"),
        WHOLE.replace("(Daily), is", "(Daily) or The Weather Company, is"),
        WHOLE + " The Weather Company is used where the report is late.",
        WHOLE.replace("as reported by the National Weather Service's", "as reported by AccuWeather and the National Weather Service's"),
        WHOLE.replace("Central Park, New York", "Central Park, New York (The Weather Company)"),
        WHOLE.replace("then the market", "and The Weather Company agrees, then the market"),
        WHOLE.replace("resolves to Yes", "resolves to No"),
        WHOLE.replace("(Daily)", "(Preliminary)"),
        "The Weather Company says so. " + WHOLE,
    ],
)  # fmt: off
def test_a_rule_with_anything_added_names_a_source_that_was_not_reviewed(rule: str) -> None:
    with pytest.raises(OtherSource):
        new_york(markets=markets_with(1, rules=rule))


def test_every_recorded_rule_is_read_whole() -> None:
    for row in recorded_meta():
        if row["series"] in reviewed_series():
            assert read_condition(plain(row["rules_primary"])), row["rules_primary"]


@pytest.mark.parametrize(("day", "named"), [("26AUG16", False), ("26AUG17", True), ("27JAN01", True)])
def test_amended_terms_name_another_source_from_their_day_on(day: str, named: bool) -> None:
    terms = "https://kalshi-public-docs.s3.amazonaws.com/contract_terms/GLOBALTEMPERATURE.pdf"
    changes: dict[str, Any] = {"event_ticker": f"KXHIGHNY-{day}", "markets": markets_with(0), "terms_url": terms}
    if not named:
        assert new_york(**changes).station.icao == "KNYC"
        return
    with pytest.raises(OtherSource, match="The Weather Company"):
        new_york(**changes)


@pytest.mark.parametrize("terms", ["NHIGH.pdf", "GLOBALTEMPERATURE.pdf?versionId=3", "globaltemperature.PDF"])
def test_what_the_reviewed_series_have_beside_their_rules_is_mapped(terms: str) -> None:
    both = SECOND.format("CLINYC", "Central Park NY") + "\n" + SECOND.format("CLINYC", "Central Park NY")
    assert new_york(rules_secondary=both, terms_url=TERMS + terms).station.icao == "KNYC"


@pytest.mark.shared
def test_every_settled_event_that_was_recorded_with_its_strikes_is_mapped(shared: Path) -> None:
    """749 events of five cities, with the rules and sources that they were served with."""
    found: Counter[str] = Counter()
    for path in sorted((shared / "recorded2/events").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for answer in map(json.loads, lines):
                event, markets = answer["event"], answer["markets"]
                series = "KX" + event["event_ticker"].partition("-")[0].removeprefix("KX")
                rows = [
                    {
                        "ticker": m["ticker"],
                        "strike_type": m.get("strike_type") or "",
                        "floor": str(m.get("floor_strike", "")),
                        "cap": str(m.get("cap_strike", "")),
                        "rules": m["rules_primary"],
                    }
                    for m in markets
                ]
                secondary = "\n".join(dict.fromkeys(m["rules_secondary"] for m in markets if m["rules_secondary"]))
                sources = [(s["name"], s["url"]) for s in event.get("settlement_sources") or []]
                try:
                    station = daily_market(event["event_ticker"], series, rows, sources, secondary).station.icao
                except Unmapped as why:
                    station = str(why).partition(":")[0]
                found[station] += 1
    assert found.pop("strikes of no known kind") == 80
    assert found == {"KAUS": 153, "KMDW": 153, "KDEN": 57, "KMIA": 153, "KNYC": 153}


def test_an_exchange_that_serves_no_texts_is_taken_at_the_reviewed_ones() -> None:
    assert new_york(sources=[], markets=markets_with(0)).station.icao == "KNYC"
