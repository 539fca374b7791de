"""Family certificates: one value for all markets, or the clause that is missing."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from markets.terms.facts import EventFacts, MarketFacts
from markets.terms.families import FamilyCertificate, FamilyRefusal, Member, certify_family
from markets.terms.grades import Grade
from markets.terms.registry.entry import NoDataRule, RegisteredTerms
from tests.markets.terms.wording import PRICE_NOTE, PRICE_RULE, changed, price_range, strike, temperature, worded

TERMS = RegisteredTerms(
    url="https://example.test/BTC.pdf",
    sha256="a" * 64,
    approved=True,
    no_data=NoDataRule.ALL_NO,
    fingerprint="BTC v1",
    common_determination="One average at one instant.",
)
CLOSES, EXPIRES = 1_786_000_000_000, 1_786_000_600_000


def thresholds(rule: str = PRICE_RULE, note: str = PRICE_NOTE) -> EventFacts:
    """Three thresholds beside the four ranges; not exclusive."""
    markets = [
        strike("KXBTCD", "greater", floor=floor, name=f"${Decimal(floor) + Decimal('0.01'):,} or above")
        for floor in ("54199.99", "54299.99", "54399.99")
    ]
    return EventFacts("KXBTCD-1", "KXBTCD", False, "DIRECNET", tuple(worded(markets, rule, note)))


def member(facts: EventFacts, terms: RegisteredTerms | None = TERMS) -> Member:
    return Member(facts, terms, 0, CLOSES, EXPIRES)


def family(change: Callable[[list[Member]], list[Member]] = list) -> FamilyCertificate | FamilyRefusal:
    return certify_family(change([member(price_range()), member(thresholds())]))


def test_ranges_and_thresholds_of_one_value_are_a_family() -> None:
    found = family()
    assert isinstance(found, FamilyCertificate), found
    assert len(found.intervals) == 7
    assert (found.grade, found.nobody, found.any_no) == (Grade.GUARANTEED, True, False)
    assert set(found.rules_hashes) == {"KXBTC-1", "KXBTCD-1"}


def test_thresholds_of_one_event_are_a_family_by_themselves() -> None:
    found = certify_family([member(thresholds())])
    assert isinstance(found, FamilyCertificate), found
    assert len(found.intervals) == 3
    assert found.nobody
    exclusive = certify_family([member(replace(thresholds(), mutually_exclusive=True))])
    assert isinstance(exclusive, FamilyRefusal)
    assert exclusive.code == "too_few_events"


@pytest.mark.shared
def test_of_all_windows_on_one_underlying_only_ranges_and_thresholds_of_a_coins_index_are_a_family(
    shared: Path,
) -> None:
    """Series that others found to be about one value: highs and lows, ups and downs, other ends of day. They name candidates; what is
    one value is said by rules and terms."""
    with gzip.open(shared / "recorded2/reference/relations/underlying_windows.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    tried, found = 0, []
    for row in rows:
        for window in row["window_suffixes"].split("|"):
            series = f"KX{row['underlying']}{'' if window == 'BASE' else window}"
            other = member(replace(thresholds(), series_ticker=series))
            for events in ([member(price_range()), other], [other]):
                if isinstance(certify_family(events), FamilyCertificate):
                    found.append(series)
                tried += 1
    assert (set(found), tried > 150) == ({"KXBTCD"}, True)


def test_terms_that_nobody_approved_let_any_market_resolve_no() -> None:
    terms = replace(TERMS, approved=False)
    found = certify_family([member(price_range(), terms), member(thresholds(), terms)])
    assert isinstance(found, FamilyCertificate), found
    assert (found.grade, found.any_no) == (Grade.IF_DETERMINED, True)


def of_terms(**columns: object) -> Callable[[list[Member]], list[Member]]:
    terms = replace(TERMS, **columns)  # type: ignore[arg-type]  # columns of the entry, by name
    return lambda members: [replace(one, terms=terms) for one in members]


def second(**columns: object) -> Callable[[list[Member]], list[Member]]:
    return lambda members: [members[0], replace(members[1], **columns)]  # type: ignore[arg-type]  # columns of the member, by name


def other_facts(facts: EventFacts) -> Callable[[list[Member]], list[Member]]:
    return second(facts=facts)


def renamed(**columns: object) -> EventFacts:
    def change(market: MarketFacts) -> MarketFacts:
        return replace(market, **columns)  # type: ignore[arg-type]  # columns of the market, by name

    return changed(thresholds(), change, 1)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda members: members[:1], "too_few_events"),
        (second(terms=None), "terms_missing"),
        (second(terms=replace(TERMS, fingerprint="BTC v2")), "terms_differ"),
        (second(terms=replace(TERMS, url="https://example.test/other.pdf")), "terms_differ"),
        (of_terms(common_determination="  "), "common_determination"),
        (of_terms(no_data=NoDataRule.LAST_PRICE), "state_not_covered"),
        (of_terms(between_inclusive=False), "rules_disagree"),
        (of_terms(must_contain=("Coinbase",)), "terms_contradicted"),
        (second(shard=1), "shard_differs"),
        (second(closes_ms=CLOSES + 1), "close_differs"),
        (second(expires_ms=None), "expiry_differs"),
        (second(expires_ms=EXPIRES + 3_600_000), "expiry_differs"),
        (other_facts(changed(thresholds(), lambda market: replace(market, ends="later"))), "expiry_differs"),
        (other_facts(thresholds(PRICE_RULE.replace("5 PM", "6 PM"))), "rules_differ"),
        (other_facts(thresholds(PRICE_RULE.replace("Jul 17", "Jul 18"))), "rules_differ"),
        (other_facts(thresholds(PRICE_RULE.replace("Bitcoin Real-Time Index (BRTI)", "ERTI"))), "source_differs"),
        (other_facts(thresholds(PRICE_RULE.replace("sixty seconds", "five minutes"))), "rules_unread"),
        (other_facts(thresholds(note=f"{PRICE_NOTE} Values above 60000 count as 60000.")), "sentence_unread"),
        (other_facts(renamed(rules_primary="")), "rules_missing"),
        (other_facts(renamed(floor_strike=Decimal("54300"))), "rules_disagree"),
        (other_facts(renamed(yes_sub_title="$60,000 or above")), "rules_disagree"),
        (other_facts(renamed(status="closed")), "leg_not_active"),
        (other_facts(renamed(market_type="scalar")), "not_binary"),
        (other_facts(price_range()), "duplicate_leg"),
        (lambda members: [member(temperature()), member(temperature())], "weather"),
    ],
)
def test_what_is_missing_is_named(change: Callable[[list[Member]], list[Member]], code: str) -> None:
    found = family(change)
    assert isinstance(found, FamilyRefusal), found
    assert found.code == code, found
    assert found.sentence.endswith(".")
