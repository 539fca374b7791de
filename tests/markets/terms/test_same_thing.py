"""One thing under two names: a reviewed list is certified only if the reviewer stated of every two names that they are two things."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations

import pytest

from markets.models import ReviewedSeries as ReviewRow
from markets.terms.catalogue_facts import review_of
from markets.terms.exhaustiveness import Certificate, Refusal, certify
from markets.terms.reading.identity import open_pairs, stated_pairs
from tests.markets.terms.test_traps import launch
from tests.markets.terms.wording import stated

TWO_WORDS = (
    ("GOP", "Republican"),
    ("Trump", "Donald J. Trump"),
    ("USA", "United States"),
    ("Holland", "Netherlands"),
    ("The Toffees", "Everton"),
    ("JFK", "John F. Kennedy"),
    ("Twitter", "X"),
    ("Pinks", "Liberals"),
    ("25bps", "0.25%"),
    ("Q3 2026", "third quarter"),
    ("dozen", "12"),
    ("Jul", "the seventh month"),
    ("Labour", "Labor"),
    ("CHN", "China"),
)


@pytest.mark.parametrize("names", TWO_WORDS, ids=str)
def test_names_of_which_the_reviewer_did_not_say_that_they_are_two_things_are_refused(names: tuple[str, str]) -> None:
    facts, _, review = launch(*names, "Quill")
    one, other = (name.lower() for name in names)
    pairs = stated(review).different
    for said in (frozenset[frozenset[str]](), pairs - {frozenset((one, other))}):
        found = certify(facts, replace(review, different=said))
        assert isinstance(found, Refusal)
        assert found.code in ("same_thing", "names_nest")


def test_names_stated_to_be_two_things_are_certified() -> None:
    facts, _, review = launch("Quill", "Rook", "Zephyr")
    assert isinstance(certify(facts, stated(review)), Certificate)
    for pair in stated(review).different:
        found = certify(facts, replace(review, different=stated(review).different - {pair}))
        assert isinstance(found, Refusal)
        assert all(name in found.sentence for name in pair)


def test_quantities_and_times_of_one_kind_are_compared_and_need_no_statement() -> None:
    assert open_pairs(("0", "1 to 2", "3 or more")) == []
    assert open_pairs(("Q3 2026", "Q4 2026", "2027 or later")) == []
    assert open_pairs(("3 goals", "4 points")) == [("3 goals", "4 points")]
    assert open_pairs(("B", "A", "C")) == list(combinations("abc", 2))


def test_a_statement_without_reason_or_of_one_name_states_nothing() -> None:
    said = stated_pairs(
        "GOP | Republican |\nGOP | Democratic\nGOP | gop | same\nA | B | two persons | sworn in apart\n\n|||"
    )
    assert said == {frozenset("ab")}


def test_the_reviewers_lines_reach_the_certificate_rules() -> None:
    row = ReviewRow(
        series_id="KXNAMED",
        outcome_names=json.loads('["Quill", "Rook"]'),
        different="Quill | Rook | two members of the chamber",
        reviewed_by="a reviewer",
        reason="The list is complete.",
    )
    review = review_of(row)
    assert review is not None
    assert review.different == {frozenset({"quill", "rook"})}
