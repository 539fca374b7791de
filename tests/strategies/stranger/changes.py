"""Changes to single fields of an event that let it settle in another way, each with what may then happen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from tests.strategies.stranger.wire_events import BASES, World, winners

Wire = dict[str, Any]
Change = Callable[[Wire], None]


def every(**fields: Any) -> Change:
    """Fields of every market."""

    def change(wire: Wire) -> None:
        for one in wire["markets"]:
            one.update(fields)

    return change


def one(at: int, **fields: Any) -> Change:
    """Fields of one market."""

    def change(wire: Wire) -> None:
        wire["markets"][at].update(fields)

    return change


def named(at: int, name: str) -> Change:
    """Another name of one outcome, on both sides."""
    return one(at, yes_sub_title=name, no_sub_title=name)


def whole(**fields: Any) -> Change:
    """Fields of the event."""

    def change(wire: Wire) -> None:
        wire.update(fields)

    return change


def words(old: str, new: str, at: int | None = None, field: str = "rules_primary") -> Change:
    """Other words in a text of one market, or of all."""

    def change(wire: Wire) -> None:
        chosen = wire["markets"] if at is None else [wire["markets"][at]]
        assert any(old in row[field] for row in chosen), (old, field)
        for row in chosen:
            row[field] = row[field].replace(old, new)

    return change


def without(at: int) -> Change:
    """One market is not listed."""

    def change(wire: Wire) -> None:
        del wire["markets"][at]

    return change


def renamed(at: int, ticker: str) -> Change:
    return one(at, ticker=ticker)


def source(name: str, url: str, field: str = "settlement_sources") -> Change:
    return whole(**{field: [{"name": name, "url": url}]})


def both(*changes: Change) -> Change:
    """Several changes."""

    def change(wire: Wire) -> None:
        for each in changes:
            each(wire)

    return change


def _zeros(n: int) -> tuple[World, ...]:
    return ((0.0,) * n,)


def _any(n: int) -> tuple[World, ...]:
    """No values are ruled out."""
    return ((0.0,) * n, (1.0,) * n, (0.5,) * n, (0.1,) * n, (0.9,) * n)


CLI: Final = "https://forecast.weather.gov/product.php"
FIELDS_OF_ALL: Final[dict[str, Change]] = {
    "not exclusive": whole(mutually_exclusive=False),
    "other collateral": whole(collateral_return_type="DIRECNET"),
    "collateral in small letters": whole(collateral_return_type="mecnet"),
    "no collateral return": whole(collateral_return_type=""),
    "scalar": every(market_type="scalar"),
    "one scalar": one(1, market_type="scalar"),
    "new market type": one(0, market_type="ranked"),
    "closed leg": one(0, status="closed"),
    "inactive leg": one(1, status="inactive"),
    "disputed leg": one(1, status="disputed"),
    "new status": one(1, status="suspended"),
    "result is known": one(0, result="no"),
    "result scalar": one(0, result="scalar"),
    "settlement value before the end": one(0, settlement_value_dollars="0.5000"),
    "all settlement values before the end": every(settlement_value_dollars="0.3000"),
    "determined value": every(expiration_value="92.5"),
    "functional strike": every(functional_strike="min(1, max(0, (x - 90) / 4))"),
    "functional strike of one": one(1, functional_strike="x/100"),
    "floor of settlement": every(settlement_bounds_type="floor", settlement_floor_dollars="0.2000"),
    "bounds of a new kind": one(0, settlement_bounds_type="ceiling"),
    "settlement floor alone": one(0, settlement_floor_dollars="0.1000"),
    "ten dollars": every(notional_value_dollars="10.0000"),
    "a dollar and a cent": one(0, notional_value_dollars="1.0100"),
    "notional not said": one(0, notional_value_dollars=None),
    "half notional": one(1, notional_value_dollars="0.5000"),
    "provisional": one(1, is_provisional=True),
    "collection": every(mve_collection_ticker="KXMVESPORTS-1"),
    "legs of a collection": one(1, mve_selected_legs=[{"market_ticker": "X", "side": "yes"}]),
    "strike type functional": one(1, strike_type="functional"),
    "strike type custom": one(1, strike_type="custom"),
    "ticker of another day": renamed(1, "KXOTHER-26AUG17-B1"),
    "ticker of another series": whole(series_ticker="KXOTHER"),
    "first leg missing": without(0),
    "last leg missing": without(-1),
    "leg ends a day later": one(
        0,
        close_time="2026-07-18T04:59:00Z",
        expected_expiration_time="2026-07-18T14:00:00Z",
        latest_expiration_time="2026-07-24T14:00:00Z",
    ),
    "leg may end a month later": one(1, latest_expiration_time="2026-08-23T14:00:00Z"),
    "leg is expected a day later": one(1, expected_expiration_time="2026-07-18T14:00:00Z"),
    "secondary of another": one(1, rules_secondary="Other rules hold here."),
    "empty secondary": every(rules_secondary=""),
    "empty secondary of one": one(1, rules_secondary=" "),
    "empty primary of one": one(1, rules_primary=""),
    "no text at all": every(rules_primary="", rules_secondary=""),
    "null texts": every(rules_primary=None, rules_secondary=None),
    "resolves to No": words("resolves to Yes", "resolves to No", 1),
    "resolves to Yes or 50/50": words("resolves to Yes.", "resolves to Yes or to 50/50.", 1),
    "does not resolve": words("then the market resolves to Yes", "then the market does not resolve to Yes", 0),
    "unless": words(", then the market", ", unless revised, then the market", 0),
    "if and only if": words("If ", "If and only if confirmed, ", 0),
    "if not": words("If ", "If not ", 0),
    "a second condition": words("If ", "If it rains and ", 1),
    "two rules": words("resolves to Yes.", "resolves to Yes. If it snows, then the market resolves to Yes.", 1),
    "rule twice": words("resolves to Yes.", "resolves to Yes. Otherwise, the market resolves to Yes.", 1),
    "zero width in the rule": words("market resolves", "market\u200b resolves", 1),
    "right to left": words("If ", "If \u202e", 1),
    "cyrillic in the rule": words("If ", "I\u0192 ", 1),
    "line separator": words(" then the market", "\u2028Not. then the market", 1),
    "null character": words("If ", "If\u0000 ", 1),
    "huge text": words("resolves to Yes.", "resolves to Yes. " + "See the rules. " * 2_000 + "Or not.", 0),
    "huge name": one(0, yes_sub_title="x" * 10_000, no_sub_title="x" * 10_000),
    "huge title": whole(title="Which? " + "is it " * 90 + "or several of them"),
    "no name differs": one(0, no_sub_title="Something else"),
    "no name negated": one(0, no_sub_title="Not this one alone"),
    "metadata scope": whole(product_metadata={"competition_scope": "First Half"}),
    "metadata rule": whole(product_metadata={"settlement": "shared"}),
    "title names several": whole(title="Which of these will happen? (more than one may)"),
    "sub-title dated": whole(sub_title="Aug 30, 2026"),
    "sub-title of the year": whole(sub_title="By the end of 2027"),
    "market title of another day": one(0, title="Will it happen on Aug 3, 2026?"),
    "market title of a second": one(1, title="Top two finish"),
    "period": whole(strike_period="monthly"),
    "strike date of another month": whole(strike_date="2026-11-01T04:00:00Z"),
}

WEATHER: Final[dict[str, Change]] = {
    "other city": words("Chicago Midway, IL", "Chicago Ohare, IL", 1),
    "all in another city": words("Chicago Midway, IL", "Milwaukee, WI"),
    "lowest": words("highest", "lowest", 2),
    "all lowest": words("highest", "lowest"),
    "dew point": words("highest temperature", "highest dew point"),
    "day after": words("Jul 16, 2026", "Jul 17, 2026", 0),
    "year after": words("Jul 16, 2026", "Jul 16, 2027", 3),
    "all another day": words("Jul 16, 2026", "Jul 18, 2026"),
    "month of rules": words("for Jul 16, 2026", "for Jul, 2026"),
    "ends before": words("for Jul 16, 2026", "for the morning of Jul 16, 2026"),
    "monthly report": words("(Daily)", "(Monthly)"),
    "hourly report of one": words("Climatological Report (Daily)", "hourly observations", 0),
    "other service": words("National Weather Service's", "Weather Company's"),
    "at least": words("greater than 93°", "at least 93°", 3),
    "more than or equal": words("greater than 93°", "greater than or equal to 93°", 3),
    "at most": words("less than 90°", "at most 90°", 0),
    "below 89": words("less than 90°", "less than 89°", 0),
    "celsius": words("93°", "93°C", 3),
    "kelvin name": named(3, "94 K or above"),
    "exclusive between": words("between 92-93°", "strictly between 92-93°", 2),
    "between with half": words("between 92-93°", "between 92-93.5°", 2),
    "gap": both(one(3, floor_strike=94), words("than 93°", "than 94°", 3), named(3, "95° or above")),
    "overlap": both(one(2, cap_strike=94), words("92-93°", "92-94°", 2), named(2, "92° to 94°")),
    "decimals": both(
        one(2, floor_strike=91.5, cap_strike=93), words("92-93°", "91.5-93°", 2), named(2, "91.5° to 93°")
    ),
    "cap of another type": one(3, strike_type="greater_or_equal"),
    "cap and floor": one(3, cap_strike=120),
    "strikes swapped": one(1, floor_strike=91, cap_strike=90),
    "strike missing": one(1, floor_strike=None),
    "strike as words": one(1, custom_strike={"temperature": "90 to 91 at noon"}),
    "source of another station": source("NWS", f"{CLI}?site=LOT&product=CLI&issuedby=ORD"),
    "source of another office": source("NWS", f"{CLI}?site=OKX&product=CLI&issuedby=MDW"),
    "source without station": source("NWS", f"{CLI}?site=OKX&product=CLI"),
    "another product": source("NWS", f"{CLI}?site=LOT&product=CF6&issuedby=MDW"),
    "hourly page": source("NWS", "https://forecast.weather.gov/data/obhistory/KMDW.html"),
    "another host": source("NWS", "https://weather.gov.reports.example/?issuedby=MDW"),
    "credentials before the host": source("NWS", "https://forecast.weather.gov@reports.example/?issuedby=MDW"),
    "name of an area": source("the national weather service for area Chicago", "https://weather.com/chicago"),
    "climate page of another office": source("NWS", "https://www.weather.gov/wrh/climate?wfo=lox"),
    "station twice": source("NWS", f"{CLI}?site=LOT&product=CLI&issuedby=MDW&issuedby=ORD"),
    "station in small letters twice": source("NWS", f"{CLI}?site=LOT&product=CLI&issuedby=MDW&ISSUEDBY=ORD"),
    "name of another city": source("Weather of Denver", f"{CLI}?site=LOT&product=CLI&issuedby=MDW"),
    "url of another office in the rules": words(
        "Not all weather data is the same.",
        "Not all weather data is the same. Data for CLIMDW can be found by clicking the following URL: "
        'https://www.weather.gov/wrh/climate?wfo=okx, navigating to the "Observed Weather" tab, and choosing the location '
        '"Chicago - Midway, IL" with Daily Climate Report selected.',
        field="rules_secondary",
    ),
    "ticker of another day": both(
        whole(event_ticker="KXHIGHCHI-26JUL15"),
        every(event_ticker="KXHIGHCHI-26JUL15"),
    ),
    "ticker of another city": both(whole(event_ticker="KXHIGHNY-26JUL16"), every(event_ticker="KXHIGHNY-26JUL16")),
    "title of another city": whole(title="Highest temperature in Boston on Jul 16, 2026?"),
    "title of a minimum": whole(title="Lowest temperature in Chicago on Jul 16, 2026?"),
    "market title of another city": every(title="Highest temperature in Boston on Jul 16, 2026?"),
}
COIN: Final[dict[str, Change]] = {
    "other hour": words("5 PM EDT", "6 PM EDT", 1),
    "other zone": words("at 5 PM EDT", "at 5 PM PDT", 1),
    "other zone everywhere": words("before 5 PM EDT", "before 5 PM CDT"),
    "index of another coin": words("Ethereum Real-Time Index (ERTI)", "Bitcoin Real-Time Index (BRTI)"),
    "index of another coin in one": words("Ethereum Real-Time Index (ERTI)", "Bitcoin Real-Time Index (BRTI)", 1),
    "longer average": words("sixty seconds", "sixty minutes"),
    "median": words("simple average", "median", 0),
    "all at least": words("above $2,039.99", "at least $2,039.99", 2),
    "euro": words("$2,000", "€2,000"),
    "thousands": words("$2,000", "$2.000"),
    "shared bound": both(one(1, cap_strike=2040), words("2,039.99", "2,040", 1), named(1, "$2,000 to 2,040")),
    "range upside down": both(one(1, floor_strike=2039.99, cap_strike=2000)),
    "exponent": one(1, floor_strike="2e3", cap_strike="2039.99"),
    "strike as NaN": one(1, floor_strike="NaN"),
    "strike infinite": one(2, floor_strike="Infinity"),
    "strike with many places": one(1, cap_strike="2039.9900000000000000000001"),
    "daily series": whole(series_ticker="KXETHD1"),
    "other index source": source("Coinbase", "https://www.coinbase.com/"),
    "other source by name": source("CF Benchmarks is not used", "https://prices.example/"),
    "sources of two": whole(
        settlement_sources=[
            {"name": "CF Benchmarks", "url": "https://www.cfbenchmarks.com/data/indices/BRTI"},
            {"name": "Kraken", "url": "https://www.kraken.com/"},
        ]
    ),
    "index of another coin as source": source("CF Benchmarks", "https://www.cfbenchmarks.com/data/indices/BRTI"),
}
GAMES: Final[dict[str, Change]] = {
    "by a margin": words("Herons wins the", "Herons wins by more than ten the", 0),
    "first half": words("professional AFL game", "professional AFL game's first half", 0),
    "another opponent": words("vs Magpies", "vs Swans", 0),
    "another date": words("Jul 10, 2026", "Jul 11, 2026", 0),
    "series of games": words("professional AFL game", "best of three", None),
    "metadata of the first half": whole(
        product_metadata={"competition": "AFL", "competition_scope": "1st Half Winner"}
    ),
    "metadata of the spread": whole(product_metadata={"competition": "AFL", "competition_scope": "Spread"}),
    "custom strikes of one team": every(custom_strike={"afl_team": "18d85d5d-1074-4cf1-9686-1e8792c77040"}),
    "custom strike of another kind": one(1, custom_strike={"afl_player": "18d85d5d-1074-4cf1-9686-1e8792c77041"}),
    "custom strike in words": one(1, custom_strike={"afl_team": "Swans"}),
    "third team": words("Herons", "Herons Reserves", 0, "yes_sub_title"),
    "number strikes": one(0, floor_strike=7),
    "early close by a lead": every(early_close_condition="This market closes when one side leads by 40 points."),
    "early close of one": one(0, early_close_condition="The first to lead wins."),
    "ticker of another day": both(
        whole(event_ticker="KXAFLGAME-26JUL12HERMAG"), every(event_ticker="KXAFLGAME-26JUL12HERMAG")
    ),
}
NAMED: Final[dict[str, Change]] = {
    "other date of one": words("Sep 1, 2026", "Sep 2, 2026", 0),
    "any other by another day": words("Sep 1, 2026", "Oct 1, 2026", 2),
    "as acting": words("sworn in as Warden", "sworn in as acting Warden", 1),
    "other office": words("Warden of Northmoor", "Warden of Southmoor", 1),
    "name and more": both(named(0, "Amsel or Birke"), words("Amsel", "Amsel or Birke", 0)),
    "a new name": both(named(0, "Clover"), words("Amsel", "Clover", 0)),
    "a fourth": lambda wire: wire["markets"].append(
        {**wire["markets"][0], "ticker": "KXWARDEN-26-X", "yes_sub_title": "Distel", "no_sub_title": "Distel"}
    ),
    "field instead of another": both(named(2, "The field"), words("Another person", "The field", 2)),
    "a letter of another alphabet": both(named(0, "Аmsel"), words("Amsel", "Аmsel", 0)),
    "zero width": both(named(0, "Am\u200bsel"), words("Amsel", "Am\u200bsel", 0)),
    "number strike": one(1, floor_strike=1),
    "title of a first round": whole(title="Who will lead the first round for Warden?"),
    "title of a shortlist": whole(title="Who will be among the two sworn in as Warden?"),
    "title of a loser": whole(title="Who will not be sworn in as Warden?"),
    "custom strike of another": every(custom_strike={"person": "Linde"}),
}
OF_ONE: Final = {"chicago": WEATHER, "ether": COIN, "derby": GAMES, "warden": NAMED}
LEAVE_A_HOLE: Final = frozenset({"first leg missing", "last leg missing", "gap", "decimals"})
"""Where strikes decide: at most one outcome wins, perhaps none."""


def cases() -> Iterator[tuple[str, str, Change, tuple[World, ...]]]:
    """Base, name, change, and what may then happen."""
    for base, build in BASES.items():
        outcomes = len(build().wire["markets"])
        for name, change in (*FIELDS_OF_ALL.items(), *OF_ONE.get(base, {}).items()):
            listed = outcomes - name.endswith("leg missing") + (name == "a fourth")
            hole = name in LEAVE_A_HOLE and base in ("chicago", "ether")
            yield base, name, change, (*winners(listed), *_zeros(listed)) if hole else _any(listed)
