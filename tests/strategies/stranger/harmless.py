"""Changes to sound events that change nothing: other spellings, other orders, labels and notes that say what the rules say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tests.strategies.stranger.changes import Change, both, every, named, one, source, whole, words
from tests.strategies.stranger.wire_events import BASES

Wire = dict[str, Any]


def also(sentence: str, at: int | None = None, *, first: bool = False) -> Change:
    """A sentence more in the secondary rules, at their end or beginning."""

    def change(wire: Wire) -> None:
        for row in wire["markets"] if at is None else [wire["markets"][at]]:
            parts = [sentence, row["rules_secondary"]] if first else [row["rules_secondary"], sentence]
            row["rules_secondary"] = " ".join(parts)

    return change


def reordered(at: int | None = None) -> Change:
    """The last sentence of the secondary rules comes first."""

    def change(wire: Wire) -> None:
        for row in wire["markets"] if at is None else [wire["markets"][at]]:
            *before, last = row["rules_secondary"].removesuffix(".").split(". ")
            row["rules_secondary"] = ". ".join([last, *before]) + "."

    return change


def by_name(field: str, pattern: str) -> Change:
    """A field of each market with the market's name in it."""

    def change(wire: Wire) -> None:
        for row in wire["markets"]:
            row[field] = pattern.format(row["yes_sub_title"])

    return change


def by_person(wire: Wire) -> None:
    for row in wire["markets"]:
        row["custom_strike"] = {"person": row["yes_sub_title"]}


def backwards(wire: Wire) -> None:
    wire["markets"].reverse()


OTHERWISE: Final = (
    "Otherwise, the market resolves to No.",
    "Otherwise this market will resolve to No.",
    'Otherwise, the market will resolve to "No".',
    "Otherwise, this market resolves to No.",
    "If not, the market resolves to No.",
    "In all other cases, the market resolves to No.",
    "In any other case, this market will resolve to No.",
    "Else, the market resolves to No.",
)
NOTES: Final = (
    "These markets are mutually exclusive.",
    "Only one of these markets can resolve to Yes.",
    "At most one outcome will resolve to Yes.",
    "Trading will close at 11:59 PM ET on Jul 16, 2026.",
    "Trading closes at 4 PM ET.",
    "Trading is available 24 hours a day.",
    "Trading hours are from 8 AM ET to 11 PM ET.",
    "Trading takes place between 8:00 AM EDT and 3:00 AM EDT.",
    "The exchange is closed from 3:00 AM ET to 5:00 AM ET on Thursdays.",
    "Trading may be paused for scheduled exchange maintenance.",
    "The exchange's scheduled maintenance window is on Thursdays from 3:00 AM to 5:00 AM ET.",
    "See the full rules for more details.",
    "Please read the contract terms before trading.",
    "For more information, see the rulebook.",
)
OF_ALL: Final[dict[str, Change]] = {
    **{f"otherwise: {text}": also(text) for text in OTHERWISE},
    **{f"otherwise after the condition: {text}": words("to Yes.", f"to Yes. {text}") for text in OTHERWISE},
    **{f"note: {text}": also(text) for text in NOTES},
    **{f"note first: {text}": also(text, first=True) for text in NOTES[:3]},
    "last sentence first": reordered(),
    "last sentence first in one": reordered(0),
    "no NO names": every(no_sub_title=""),
    "NO names missing": every(no_sub_title=None),
    "NO name negated": by_name("no_sub_title", "Not {}"),
    "other timer": one(0, settlement_timer_seconds=60),
    "all timers": every(settlement_timer_seconds=None),
    "early close of one": one(1, can_close_early=False),
    "early close unknown": every(can_close_early=None),
    "early when the event occurs": every(
        early_close_condition="This market will close and expire early if the event occurs."
    ),
    "early the following day": every(
        early_close_condition="If this event occurs, the market will close the following 10am ET."
    ),
    "early when known": every(early_close_condition="The market will close early once the result is known."),
    "bounds not said": every(settlement_bounds_type=None),
    "metadata absent": whole(product_metadata=None),
    "metadata empty": whole(product_metadata={}),
    "a picture": whole(product_metadata={"image_url": "https://images.example/a/b-1.png"}),
    "a new field": whole(some_new_field={"a": 1}),
    "a new field of markets": every(some_new_field=["x"]),
    "two spaces": words("then the market", "then  the market"),
    "line break": words("then the market", "then\nthe market"),
    "line break in one": words("then the market", "then\r\n the market", 0),
    "no-break space": words("then the market", "then\u00a0the market", 1),
    "in quotes": words("resolves to Yes", 'resolves to "Yes"'),
    "in curly quotes": words("resolves to Yes", "resolves to “Yes”"),
    "will resolve": words("the market resolves to Yes", "the market will resolve to Yes"),
    "this market": words("then the market resolves", "then this market resolves", 0),
    "no full stop": words("to Yes.", "to Yes"),
    "spaces around": words("If ", "  If "),
    "other order": backwards,
    "title absent": whole(title=""),
    "sub-title absent": whole(sub_title=None),
    "close dates absent": every(close_time=None, expected_expiration_time=None, latest_expiration_time=None),
    "ticker in the title": lambda wire: wire.update(title=wire["event_ticker"]),
}
HIGH_TITLES: Final = ("<90°", "90-91°", "92-93°", ">93°")


def _high_titles(pattern: str) -> Change:
    def change(wire: Wire) -> None:
        for row, bound in zip(wire["markets"], HIGH_TITLES, strict=True):
            row["title"] = pattern.format(bound)

    return change


CHICAGO: Final[dict[str, Change]] = {
    "month in full": words("Jul 16, 2026", "July 16, 2026"),
    "month in full in one": words("Jul 16, 2026", "July 16, 2026", 1),
    "month with a dot": words("Jul 16, 2026", "Jul. 16, 2026"),
    "day of the standard": words("Jul 16, 2026", "2026-07-16", 2),
    "weekday before": words("for Jul 16, 2026", "for Thursday, Jul 16, 2026"),
    "ordinal": words("Jul 16, 2026", "July 16th, 2026"),
    "day first": words("Jul 16, 2026", "16 July 2026"),
    "at the place": words("Chicago Midway, IL", "Chicago Midway"),
    "or more": words("greater than 93°", "above 93°", 3),
    "strictly": words("less than 90°", "strictly less than 90°", 0),
    "in degrees": words("93°", "93 degrees Fahrenheit", 3),
    "inclusive": words("between 92-93°", "between 92° and 93°, inclusive", 2),
    "dash": words("90-91°", "90–91°", 1),
    "maximum": words("highest", "maximum"),
    "source before": words(
        ", is between 92-93° according to the National Weather Service's Climatological Report (Daily)",
        " as reported by the National Weather Service's Climatological Report (Daily), is between 92-93°",
        2,
    ),
    "strikes in text": both(one(0, cap_strike="90"), one(3, floor_strike="93.00")),
    "strikes with a point": one(1, floor_strike=90.0, cap_strike=91.0),
    "no names": every(yes_sub_title="", no_sub_title=""),
    "names in dashes": named(1, "90-91°"),
    "title of today": whole(title="Highest temperature in Chicago today?"),
    "title without a day": whole(title="Highest temperature in Chicago?"),
    "title, short": whole(title="Chicago high temp on July 16?"),
    "title with a weekday": whole(title="Highest temperature in Chicago on Thursday, July 16, 2026?"),
    "titles of markets": _high_titles("Will the **high temp in Chicago** be {} on Jul 16, 2026?"),
    "plain titles of markets": _high_titles("Will the maximum temperature be {} on Jul 16, 2026?"),
    "last trading time": every(
        early_close_condition="The Last Trading Time will be 11:59 PM ET on July 16, 2026 regardless of any data releases or events "
        "occurring. Expiration will occur on the sooner of the first 7:00 or 8:00\nAM ET following the release of the data for July 16, "
        "2026, or one week after July 16, 2026."
    ),
    "name of the report": source(
        "NWS Climatological Report", "https://forecast.weather.gov/product.php?site=LOT&product=CLI&issuedby=MDW"
    ),
    "climate page": source("National Weather Service", "https://www.weather.gov/wrh/Climate?wfo=lot"),
    "service": source("National Weather Service", "https://www.weather.gov"),
    "no source": whole(settlement_sources=[]),
    "strike date absent": whole(strike_date=None),
    "period of the day": whole(strike_period="Jul 16, 2026"),
}
COIN: Final[dict[str, Change]] = {
    "month in full": words("Jul 17, 2026", "July 17, 2026"),
    "month in full in one": words("Jul 17, 2026", "July 17, 2026", 0),
    "index by its short name": words("Ethereum Real-Time Index (ERTI)", "ERTI"),
    "index by its long name": words("(ERTI)", "(ETHUSD_RTI)"),
    "more than": words("above $2,039.99", "greater than $2,039.99", 2),
    "range with and": words("$2,000-2,039.99", "$2,000 and $2,039.99", 1),
    "no comma": words("$2,000-2,039.99", "$2000-2039.99", 1),
    "title with the hour": whole(title="Ethereum price at Jul 17, 2026 at 5pm EDT?"),
    "title of the coin": whole(title="Ethereum price on Jul 17, 2026?"),
    "titles of markets": every(title="Ethereum price range on Jul 17, 2026?"),
    "index as source": source("CF Benchmarks", "https://www.cfbenchmarks.com/data/indices/ETHUSD_RTI"),
    "index with a mark": source(
        "CF Benchmarks", "https://www.cfbenchmarks.com/data/indices/ERTI?ref=blog.cfbenchmarks.com"
    ),
    "strike date": whole(strike_date="2026-07-17T21:00:00Z"),
    "digits of the cap": one(1, cap_strike="2039.990"),
}
GAME: Final[dict[str, Change]] = {
    "sources": whole(
        settlement_sources=[
            {"name": "ESPN", "url": "https://www.espn.com/"},
            {"name": "Fox Sports", "url": "https://www.foxsports.com/"},
            {"name": "The governing league", "url": "https://league.example/"},
        ]
    ),
    "scope": whole(product_metadata={"competition": "the governing league", "competition_scope": "Game"}),
    "title": whole(title="Herons vs Magpies winner?"),
    "title with the day": whole(title="Herons vs. Magpies (July 10)"),
    "vs with a dot": both(
        words("vs Magpies", "vs. Magpies"), words("vs Magpies", "vs. Magpies", field="rules_secondary")
    ),
    "wins": words("wins the Herons", "wins Herons"),
    "custom strikes absent": every(custom_strike=None),
    "month in full": both(words("Jul 10, 2026", "July 10, 2026", 1)),
}
LIST: Final[dict[str, Change]] = {
    "day in full": words("Sep 1, 2026", "September 1, 2026", 1),
    "title of the office": whole(title="Who will be sworn in as Warden of Northmoor?"),
    "title with the month": whole(title="Who will be sworn in as Warden on September 1?"),
    "titles of markets": by_name("title", "Will {} be sworn in as Warden of Northmoor?"),
    "custom strikes": by_person,
    "source": source("Northmoor Gazette", "https://gazette.example/"),
}
OF_ONE: Final = {"chicago": CHICAGO, "ether": COIN, "derby": GAME, "warden": LIST}


def cases() -> Iterator[tuple[str, str, Change]]:
    for base in BASES:
        for name, change in (*OF_ALL.items(), *OF_ONE.get(base, {}).items()):
            yield base, name, change
