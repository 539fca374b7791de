"""A rate decision beside the rate: one value where the terms fix the level from which the decision counts, else refused by that clause."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal

import pytest

from markets.book import Side
from markets.terms.facts import EventFacts, MarketFacts
from markets.terms.families import FamilyCertificate, FamilyRefusal, certify_family
from markets.terms.grades import Grade
from markets.terms.reading.forms import FormError, form_of
from markets.terms.reading.level_changes import LevelError, level_after, levels_of
from markets.terms.reading.strikes import Interval
from markets.terms.registry.entry import NoDataRule, RegisteredTerms
from markets.terms.states import StateList, floor
from tests.markets.terms.test_family_adversary import CANCELLED
from tests.markets.terms.test_family_forms import member, noted

THEN = ", then the market resolves to Yes."
DECIDES = f"If the Federal Reserve does a {{change}} on {{day}}{THEN}"
LEVEL = (
    "If the upper bound of the target federal funds rate published on the Federal Reserve's official website is {strike} following the "
    f"Federal Reserve's {{day}} meeting{THEN}"
)
RATES = RegisteredTerms(
    url="https://example.test/FED.pdf",
    sha256="a" * 64,
    approved=True,
    no_data=NoDataRule.ALL_NO,
    fingerprint="FED v1",
    common_determination="The change counts from the upper bound that the terms state, and the upper bound after it settles both.",
    forms=(DECIDES, LEVEL),
    levels=("Dec 9, 2026: 3.75",),
)
CHANGES = ("Cut of >25bps", "Cut of 25bps", "Hike of 0bps", "Hike of 25bps", "Hike of >25bps")
STRIKES = ("3.25", "3.50", "3.75", "4.00")
NOTE = "This market is mutually exclusive. Only one bucket, at maximum, can resolve to Yes."


def decision(day: str = "Dec 9, 2026") -> EventFacts:
    """What the exchange lists of one meeting, in its words."""
    markets = tuple(
        MarketFacts(
            f"KXFEDDECISION-26DEC-{number}",
            strike_type="custom",
            yes_sub_title="Fed maintains rate" if "0bps" in change else change.replace(" of", ""),
            title=f"Will the Federal Reserve {change.replace('of', 'rates by')} at their December 2026 meeting?",
            rules_primary=DECIDES.replace("{change}", change).replace("{day}", day),
            rules_secondary=NOTE,
        )
        for number, change in enumerate(CHANGES)
    )
    return EventFacts("KXFEDDECISION-26DEC", "KXFEDDECISION", True, "MECNET", markets, "Fed decision in Dec 2026?")


def level(day: str = "Dec 9, 2026", unit: str = "%") -> EventFacts:
    """Thresholds of the rate after the meeting."""
    markets = tuple(
        MarketFacts(
            f"KXFED-26DEC-T{strike}",
            strike_type="greater",
            floor_strike=Decimal(strike),
            yes_sub_title=f"Above {strike}%",
            rules_primary=LEVEL.replace("{strike}", f"greater than {strike}{unit}").replace("{day}", day),
            rules_secondary="Trading involves risk.",
        )
        for strike in STRIKES
    )
    return EventFacts("KXFED-26DEC", "KXFED", False, "DIRECNET", markets, "Fed funds rate after Dec 2026 meeting?")


OFF = CANCELLED.replace("Before Jan 1, 2027", "Fed maintains rate")
"""What the exchange's decisions of 2026 say of a meeting that does not take place."""
RECORDED = (
    "This market is mutually exclusive. Therefore, if the Federal Reserve hikes by 50bps, the 50bps market will resolve to Yes and the "
    f"25bps market will resolve to No. Only one bucket, at maximum, can resolve to Yes. {OFF}"
)
"""The secondary rules of KXFEDDECISION-28JAN, as recorded in March 2026."""


def family(terms: RegisteredTerms = RATES, note: str = NOTE) -> FamilyCertificate | FamilyRefusal:
    return certify_family([member(noted(decision(), note), terms), member(level(), terms)])


def pays(change: str, basis_points: int) -> bool:
    """Whether the market of this change resolves Yes after a move of so many basis points, by its words."""
    size = int("".join(filter(str.isdigit, change)))
    moved = basis_points if change.startswith("Hike") else -basis_points
    return moved > size if ">" in change else moved == size


@pytest.mark.parametrize("note", [NOTE, RECORDED])
def test_a_decision_and_the_level_after_it_are_one_value(note: str) -> None:
    """Every move by a basis point, five hundred baskets: the floor is the least that they pay, that of no market winning, or that of no
    change winning because there was no meeting, wherever the level lies or if no market on it wins."""
    found, pick = family(note=note), random.Random(7)
    assert isinstance(found, FamilyCertificate), found
    assert (found.grade, found.nobody) == (Grade.GUARANTEED, True)
    moves = range(-90, 91)
    yes = {f"KXFEDDECISION-26DEC-{n}": [pays(change, move) for move in moves] for n, change in enumerate(CHANGES)}
    yes |= {f"KXFED-26DEC-T{s}": [375 + move > 100 * Decimal(s) for move in moves] for s in STRIKES}
    assert yes.keys() == found.intervals.keys()
    rows = [{t for t in yes if yes[t][at]} for at in range(len(moves))] + [set()]
    if note is RECORDED:
        rows += [{t for t in row if "DECISION" not in t} | {"KXFEDDECISION-26DEC-2"} for row in rows]
    lower = 0
    for _ in range(500):
        legs = [(t, pick.choice(list(Side)), 100) for t in pick.sample(sorted(yes), pick.randrange(2, 6))]
        each = [sum(1_000_000 for t, side, _ in legs if (t in row) is (side is Side.YES)) for row in rows]
        assert found.atoms.floor(legs) == floor(legs, StateList.of_atoms(found.atoms)) == min(each)
        lower += min(each) < min(each[: len(moves) + 1])
    assert (lower > 20) is (note is RECORDED)


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        (replace(RATES, levels=()), "level_missing"),
        (replace(RATES, levels=("Jan 27, 2027: 3.75",)), "level_missing"),
        (replace(RATES, approved=False), "level_missing"),
        (replace(RATES, levels=("Dec 9, 2026: 3.75", "December 9, 2026: 4.00")), "rules_unread"),
        (replace(RATES, forms=(DECIDES,)), "rules_unread"),
        (replace(RATES, forms=(LEVEL,)), "rules_unread"),
        (replace(RATES, common_determination=""), "common_determination"),
    ],
)
def test_the_clause_that_is_missing_is_named(terms: RegisteredTerms, code: str) -> None:
    found = family(terms)
    assert isinstance(found, FamilyRefusal), found
    assert (found.code, found.sentence[-1]) == (code, "."), found


@pytest.mark.parametrize(
    ("one", "other", "code"),
    [
        (decision("Dec 10, 2026"), level(), "rules_differ"),
        (decision(), replace(level("Jan 27, 2027"), title=""), "rules_differ"),
        (decision(), level(unit=""), "rules_differ"),
        (noted(decision(), CANCELLED), level(), "rules_disagree"),
        (noted(decision(), f"{OFF} {OFF.replace('Fed maintains rate', 'Hike 25bps')}"), level(), "rules_disagree"),
        (noted(decision(), OFF), noted(level(), OFF), "rules_disagree"),
        (
            noted(decision(), OFF),
            noted(level(), OFF.replace("Fed maintains rate", "Above 3.75%")),
            "state_not_covered",
        ),
    ],
)
def test_another_meeting_or_unit_or_a_winner_of_no_meeting_that_is_not_listed_make_no_family(
    one: EventFacts, other: EventFacts, code: str
) -> None:
    terms = replace(RATES, levels=(*RATES.levels, "Dec 10, 2026: 3.75"))
    found = certify_family([member(one, terms), member(other, terms)])
    assert isinstance(found, FamilyRefusal), found
    assert found.code == code, found


def test_changes_and_levels_are_read_to_the_letter() -> None:
    before = Decimal("3.75")
    assert level_after("Hike of 0bps", before) == Interval(before, True, before, True)
    assert level_after("Cut of >= 50 basis points", before) == Interval(None, False, Decimal("3.25"), True)
    for strange in ("Hike of 25", "Hike of -25bps", "Move of 25bps", "Hike of 25bps or more", "Hike of 0.25%"):
        assert level_after(strange, before) is None, strange
    assert levels_of(["December 9, 2026: 3.75%"]) == {"Dec 9, 2026": before}
    for texts in (
        ["3.75"],
        ["Dec 9: 3.75"],
        ["Feb 30, 2027: 3"],
        ["Dec 9, 2026: 3.75 to 4"],
        ["Dec 9, 2026: 3", "2026-12-09: 3"],
    ):
        with pytest.raises(LevelError):
            levels_of(texts)
    for text in (
        DECIDES.replace(" on {day}", ""),
        DECIDES.replace("{day}", "{before}"),
        f"{DECIDES[:-36]} by {{strike}}{THEN}",
    ):
        with pytest.raises(FormError):
            form_of(text)
