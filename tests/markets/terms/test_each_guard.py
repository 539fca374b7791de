"""Guards of what is called guaranteed, each by the smallest case that needs it: removed alone, each would promise too much."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from kalbot.common.units import CONTRACT, DOLLAR, Price
from markets.book import Side
from markets.models import Certificate, ContractTerms, Event, ReviewedSeries, Series
from markets.terms import atoms, certificates, families, special_settlements
from markets.terms.catalogue_facts import event_facts, review_of
from markets.terms.evidence import condition_of
from markets.terms.exhaustiveness import Refusal, certify
from markets.terms.reading import extents, forms, named
from markets.terms.reading.meanings import Meaning, states_of
from markets.terms.reading.rules import NotRead
from markets.terms.reading.strikes import Interval
from markets.terms.reading.text import odd_letter
from markets.terms.registry import entries
from markets.terms.registry.entry import NoDataRule, RegisteredTerms
from markets.terms.settled_value import Unit, agreed, parse
from markets.terms.states import State, StateError, StateKind, StateList, none, payoffs, scalar, several, split, winner
from tests.markets.terms.wording import baseball, price_range, secondary, temperature

TERMS = RegisteredTerms(
    "https://terms/T.pdf", "0" * 64, True, NoDataRule.LAST_VALUE, "T v1", common_determination="One daily report."
)
RULE = "If the rate is {outcome} on Jul 9, 2026, then the market resolves to Yes."
LATIN = "L’Île-d’Yeu Điện Biên Łódź".replace("’", "'")


# ---- names


@pytest.mark.parametrize("names", [("Smith", "Smith or Jones"), ("Smith or Jones", "Smith")])
def test_a_name_within_another_is_refused_whichever_comes_first(names: tuple[str, str]) -> None:
    with pytest.raises(NotRead, match="may both be right"):
        named.check_names(names)


@pytest.mark.parametrize("names", [("4 or more", "5 or more"), ("at least 4", "at least 5")])
def test_two_thresholds_of_one_direction_are_refused(names: tuple[str, str]) -> None:
    with pytest.raises(NotRead, match="may both be right"):
        named.check_thresholds(names, RULE)


def test_words_right_behind_a_name_make_it_a_threshold_only_if_they_go_on_from_it() -> None:
    with pytest.raises(NotRead):
        named.check_thresholds(("4", "5"), RULE.replace("{outcome}", "{outcome} or more"))
    named.check_thresholds(("4", "5"), RULE.replace("{outcome}", "{outcome} at least once"))


@pytest.mark.parametrize("odd", ["Sm\u0456th", "\u03b1lpha", "\u1f00lpha", "Al\u0445a", "\u24b6lpha", "A\u0660"])
def test_a_letter_of_another_alphabet_is_found(odd: str) -> None:
    assert odd_letter(odd), odd


@pytest.mark.parametrize("name", ["Nguy\u1ec5n", LATIN, "Jos\u00e9", "\u01f5"])
def test_letters_of_the_latin_alphabet_are_none(name: str) -> None:
    assert odd_letter(name) == ""


@pytest.mark.parametrize(
    "name, low, high",
    [
        ("Before 2027", None, False),
        ("By 2027", None, True),
        ("No later than 2027", None, True),
        ("Not later than 2027", None, True),
        ("Before the end of 2027", None, True),
        ("After 2027", False, None),
        ("Since 2027", True, None),
        ("2027 or later", True, None),
        ("2027 or earlier", None, True),
        ("In 2027", True, True),
        ("On or before 2027", None, True),
    ],
)
def test_words_before_and_after_a_time_say_where_it_ends(name: str, low: bool | None, high: bool | None) -> None:
    found = extents.extent(name)
    assert found is not None
    interval = found.interval
    assert (None if interval.low is None else interval.low_in) is low
    assert (None if interval.high is None else interval.high_in) is high


@pytest.mark.parametrize("name", ["In Q2 2027", "In Q2, 2027", "In 2027 Q2", "In 2027, Q2"])
def test_a_quarter_is_the_same_however_it_is_written(name: str) -> None:
    found = extents.extent(name)
    year = extents.extent("In 2027")
    assert found is not None
    assert year is not None
    assert year.interval.low is not None
    assert found.interval == Interval(year.interval.low + 90, True, year.interval.low + 180, True)


# ---- strikes and sides


def test_terms_that_leave_a_bound_out_of_between_are_against_no_other_strike() -> None:
    facts, terms = temperature(), replace(TERMS, between_inclusive=False)
    heads = {market.strike_type: market for market in facts.markets}
    for kind in ("less", "greater"):
        condition_of(heads[kind], heads[kind].rules_primary, terms)
    with pytest.raises(NotRead, match="leave a bound out"):
        condition_of(heads["between"], heads["between"].rules_primary, terms)


def test_rules_that_name_a_market_for_the_tie_that_is_not_listed_are_refused() -> None:
    found = certify(secondary(baseball(), 'If the game ends in a tie, the market called "Tie" resolves to Yes.'))
    assert isinstance(found, Refusal)
    assert found.code == "rules_disagree"


ID = "0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f"


@pytest.mark.parametrize(
    "metadata, is_read",
    [
        ((), True),
        ((("competition_scope", "Game"), ("competition", "Pro Baseball"), ("league", ID)), True),
        ((("competition_scope", "First Half"),), False),
        ((("competition_scope", "Future"),), False),
        ((("competition", "first half only"),), False),
        ((("league", "Game"),), False),
        ((("scope", "First Half"),), False),
    ],
)
def test_metadata_of_a_game_that_may_narrow_it_are_refused(
    metadata: tuple[tuple[str, str], ...], is_read: bool
) -> None:
    found = certify(replace(baseball(), metadata=metadata))
    assert isinstance(found, Refusal) is not is_read, found


@pytest.mark.parametrize(
    "at, fits",
    [
        ("", True),
        ("July 9, 2026", True),
        ("Jul 10, 2026", True),
        ("Jul 11, 2026", False),
        ("Jul 8, 2026", False),
        ("2026-07-09", True),
        ("2026-07-99", False),
    ],
)
def test_an_event_that_is_dated_on_another_day_than_its_rules_is_refused(at: str, fits: bool) -> None:
    found = certify(replace(baseball(), strike_date=at))
    assert isinstance(found, Refusal) is not fits, found


@pytest.mark.parametrize(
    "states, may_be_anything",
    [
        ([winner()], False),
        ([winner(), split(2)], False),
        ([winner(), scalar(2)], True),
        ([winner(), several(2)], True),
        ([winner(), split(3)], True),
    ],
)
def test_each_state_without_a_word_of_its_own_may_be_any_price(states: list[State], may_be_anything: bool) -> None:
    found = special_settlements.of_states(StateList(("A", "B", "C"), tuple(states)))
    assert found.void is may_be_anything


@pytest.mark.parametrize(
    "least, most, low, high",
    [(-1, 1, 0, 1), (2, 1, 0, 1), (0, 1, -1, 1), (0, 1, 5_000, 4_999), (0, 1, 0, 10_001), (1, 1, 10_001, 10_001)],
)
def test_a_state_outside_what_a_contract_can_pay_is_none(least: int, most: int, low: int, high: int) -> None:
    with pytest.raises(StateError):
        State(StateKind.SCALAR, least, most, Price(low), Price(high))


def test_a_winner_among_some_is_spelled_out_for_those_alone() -> None:
    among = StateList(("A", "B", "C"), (State(StateKind.WINNER, 1, 1, among=("A", "B")), none()))
    found = payoffs([(ticker, Side.YES, CONTRACT) for ticker in "ABC"], among)
    assert [(state.among, paid) for state, paid in found] == [(("A",), DOLLAR), (("B",), DOLLAR), ((), 0)]
    every = payoffs([("A", Side.YES, CONTRACT)], StateList(("A", "B", "C"), (winner(),)))
    assert [(state.among, paid) for state, paid in every] == [(("A",), DOLLAR), (("B",), 0), (("C",), 0)]


@pytest.mark.parametrize(
    "strike, won",
    [
        (Interval(None, False, None, False), (0, False, None)),
        (Interval(Decimal(3), True, None, False), (3, True, None)),
        (Interval(None, False, Decimal(3), True), (0, False, 3)),
        (Interval(Decimal(-2), True, Decimal(3), True), (0, False, 3)),
        (Interval(Decimal(3), True, Decimal(3), True), (3, True, 3)),
        (Interval(Decimal(3), False, Decimal(3), True), None),
        (Interval(Decimal(3), True, Decimal(3), False), None),
        (Interval(Decimal(3), True, Decimal(2), True), None),
        (Interval(None, False, Decimal(0), True), None),
        (Interval(Decimal(-5), True, Decimal(-1), True), None),
    ],
)
def test_a_winner_wins_by_more_than_nothing(strike: Interval, won: tuple[float, bool, float | None] | None) -> None:
    found = forms._won(strike)
    if won is None:
        assert found is None
    else:
        assert found is not None
        assert [found.low, found.low_in, found.high] == list(won)


@pytest.mark.parametrize("several_win, lost", [(False, 1), (True, 4)])
def test_as_many_may_lose_by_themselves_as_may_win(several_win: bool, lost: int) -> None:
    meanings = {Meaning.ANY_NO: "No by itself."} | ({Meaning.SEVERAL: "Several win."} if several_win else {})
    (found,) = [one for one in states_of(meanings, 4) if one.kind is StateKind.ANY_NO]
    assert found.most == lost


# ---- families


@pytest.mark.parametrize(
    "row", [[0, "NaN", 0], [0, "sNaN", 1], [0, "Infinity", 0], [1, "Infinity", 0], [0, 5, 0], [0, "5", 2], [2, "0", 0]]
)
def test_a_cut_that_is_no_number_is_none(row: list[Any]) -> None:
    with pytest.raises(atoms.AtomError):
        atoms._cut(row)


@pytest.mark.parametrize("row", [[0, 1.0], [0.0, 1], [0, True], [1, 1], [2, 1], [-1, 1], [0, 3], ["0", 1]])
def test_a_run_of_atoms_lies_between_two_cuts_of_the_line(row: list[Any]) -> None:
    assert atoms._span([0, 2], 3) == (0, 2)
    with pytest.raises(atoms.AtomError):
        atoms._span(row, 3)


def test_a_single_threshold_is_no_family() -> None:
    facts = replace(price_range(), mutually_exclusive=False)
    many = families.Member(facts, TERMS, 0, 1, 1)
    assert families.is_ladder([many])
    assert not families.is_ladder([replace(many, facts=replace(facts, markets=facts.markets[:1]))])
    assert not families.is_ladder([replace(many, facts=replace(facts, mutually_exclusive=True))])


# ---- values that were settled


@pytest.mark.parametrize("text", ["$5", "5°F", "5", "5.0", "1,234"])
def test_a_value_may_have_its_unit_on_one_side(text: str) -> None:
    unit = Unit.DOLLARS if "$" in text else Unit.FAHRENHEIT
    assert parse(text, unit) == Decimal(text.strip("$°F").replace(",", ""))


def test_a_value_that_all_name_counts_and_none_that_they_differ_about() -> None:
    assert agreed(["84", "84°", ""], Unit.FAHRENHEIT) == 84
    assert agreed(["84", "85"], Unit.FAHRENHEIT) is None
    assert agreed(["84", "hot"], Unit.FAHRENHEIT) is None
    assert agreed([""], Unit.FAHRENHEIT) is None


# ---- rows


def test_a_market_that_pays_within_bounds_or_belongs_to_a_combination_is_none_that_is_read(listed_event: Event) -> None:
    assert certify(event_facts(listed_event)).__class__ is not Refusal
    one = listed_event.markets.order_by("pk")[0]
    for change, back in (
        ({"settlement_bounds": "0.2 to 0.8"}, {"settlement_bounds": "default"}),
        ({"other_texts": {"collection": "KXMVE"}}, {"other_texts": {}}),
        ({"other_texts": {"settlement_floor": "0.1"}}, {"other_texts": {}}),
        ({"other_texts": ["odd"]}, {"other_texts": {}}),
        ({"notional_e6": DOLLAR * 2}, {"notional_e6": DOLLAR}),
    ):
        listed_event.markets.filter(pk=one.pk).update(**change)
        assert isinstance(certify(event_facts(listed_event)), Refusal), change
        listed_event.markets.filter(pk=one.pk).update(**back)
    assert certify(event_facts(listed_event)).__class__ is not Refusal


def test_an_entry_whose_list_is_none_counts_for_nothing(db: None) -> None:
    row = ContractTerms(url="x", series_tickers=[], must_contain=[], must_not_contain=[], family_forms=[])
    row.levels_before = []
    assert entries._is_readable(row)
    for odd in ("KXHIGHMIA", {"KXHIGHMIA": 1}, [1], None, 5):
        row.series_tickers = odd
        assert not entries._is_readable(row), odd


def test_a_review_that_names_no_outcome_is_none(db: None) -> None:
    assert review_of(None) is None
    row = ReviewedSeries(series_id="KXA", shape="exhaustive", outcome_names=[" "], rule="", titles="", different="")
    assert review_of(row) is None
    row.outcome_names = ["Alphas", "Betas"]
    row.titles = "One title\n\nAnother"
    found = review_of(row)
    assert found is not None
    assert (found.outcomes, found.titles) == (frozenset({"alphas", "betas"}), ("One title", "Another"))


def test_a_person_s_word_for_rules_that_were_not_read_is_conditional(listed_event: Event) -> None:
    """What was read keeps its states, without "none wins" that no sentence names; what was not read is worth the word alone."""
    read = certificates.grant(listed_event, "rita", "Read it.")
    assert (read.grade, read.version) == ("if_determined", 2)
    assert "not read" not in " ".join(read.evidence)
    listed_event.markets.update(rules_primary="Something else entirely.")
    said = certificates.grant(listed_event, "rita", "Read again.")
    assert (said.grade, said.version) == ("conditional", 3)
    assert "The rules were not read" in said.evidence[1]
    assert Certificate.objects.get(pk=read.pk).status == "void"


def test_refused_rules_that_change_are_refused_again_in_the_same_row(listed_event: Event) -> None:
    listed_event.markets.update(rules_primary="Something else entirely.")
    certificates.refresh([listed_event.pk])
    first = Certificate.objects.get(event=listed_event, status="refused")
    listed_event.markets.update(rules_primary="")
    certificates.refresh([listed_event.pk])
    second = Certificate.objects.get(event=listed_event, status="refused")
    assert second.pk == first.pk
    assert (second.kind, second.rules_hash != first.rules_hash) == ("rules_missing", True)
    assert certificates.refresh([listed_event.pk]) == 0


@pytest.fixture
def listed_event(db: None) -> Event:
    """A temperature event as the catalogue stores it, certified."""
    facts = temperature()
    series = Series.objects.create(ticker=facts.series_ticker, title="t", category="Climate", fee_type="quadratic")
    event = Event.objects.create(
        ticker=facts.event_ticker, series=series, mutually_exclusive=True, collateral_return_type="MECNET"
    )
    for market in facts.markets:
        event.markets.create(
            ticker=market.ticker,
            status=market.status,
            strike_type=market.strike_type,
            floor_strike="" if market.floor_strike is None else str(market.floor_strike),
            cap_strike="" if market.cap_strike is None else str(market.cap_strike),
            yes_sub_title=market.yes_sub_title,
            rules_primary=market.rules_primary,
            rules_secondary=market.rules_secondary,
            market_type=market.market_type,
        )
    certificates.refresh([event.pk])
    return event
