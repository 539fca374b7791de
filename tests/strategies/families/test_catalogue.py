"""Families as rows: grouped, certified, refused by name, ended with what they rest on; and judged like any other event."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kalbot.common import clock
from markets import watchlist
from markets.catalogue import families, family_moves, lifecycle
from markets.models import Certificate, ContractTerms, Event, ExchangeMessage, Market, RefusedFamily
from markets.prices import families as family_prices
from markets.prices import reader as prices_of
from markets.terms import certificates
from strategies.catalogue import universe
from strategies.cycle import candidate_evaluation, cycle, event_cache, quote_records, quotes
from strategies.explain.live_event import explain_event
from strategies.models import DOLLAR, Decision, Profile, QuoteRecord, Verdict
from strategies.reasons import Reason
from strategies.screening import screening
from strategies.screening.verdict import Verdict as VerdictOnBooks
from tests.strategies import world
from tests.strategies.families import coins
from tests.strategies.families.coins import FAMILY

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_db")]


@pytest.fixture(autouse=True)
def catalogue(settings: Any) -> None:
    settings.KALSHI_REST_URL = "http://127.0.0.1:9/trade-api/v2"
    settings.KALSHI_WS_URL = "ws://127.0.0.1:9/trade-api/ws/v2"
    coins.add_coins()
    event_cache.forget()


def test_events_of_one_value_become_one_event_with_the_markets_of_all() -> None:
    assert families.refresh().families == [FAMILY]
    found = universe.load()
    assert set(found) == {"KXBTC-1", "KXBTCD-1", FAMILY}
    view = found[FAMILY]
    assert [member.ticker for member in view.members] == ["KXBTC-1", "KXBTCD-1"]
    assert {outcome.ticker for outcome in view.outcomes} == set(Market.objects.values_list("pk", flat=True))
    assert (view.grade.value, view.exclusive, view.oddity, view.fee_known) == ("guaranteed", False, "", True)
    assert set(universe.load([FAMILY], deep=True)) == {FAMILY}
    first = Certificate.objects.get(event=FAMILY)
    families.refresh()
    assert Certificate.objects.get(event=FAMILY) == first, "nothing changed, nothing is written"


def test_the_stream_knows_which_events_are_of_a_family() -> None:
    assert watchlist.in_families(["KXBTC-1", "KXBTCD-1"]) == frozenset()
    families.refresh()
    assert watchlist.in_families(["KXBTC-1", "KXOTHER"]) == {"KXBTC-1"}
    Event.objects.filter(pk=FAMILY).update(is_open=False)
    assert watchlist.in_families(["KXBTC-1"]) == frozenset()


@pytest.mark.parametrize(
    "change",
    [
        lambda: Market.objects.filter(event="KXBTCD-1").update(rules_primary="Another rule."),
        lambda: Market.objects.filter(event="KXBTC-1").update(status="closed"),
        lambda: Market.objects.filter(event="KXBTC-1").update(result="yes"),
    ],
    ids=["rule", "status", "result"],
)
def test_what_changes_in_one_member_ends_the_family_at_once(change: Any) -> None:
    families.refresh()
    change()
    certificates.refresh(["KXBTC-1", "KXBTCD-1"])
    assert FAMILY not in universe.load()
    families.refresh()
    assert FAMILY not in universe.load()
    assert not Event.objects.get(pk=FAMILY).is_open


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"common_determination": ""}, "common_determination"),
        ({"no_data": "last_price"}, "state_not_covered"),
        ({"must_contain": ["Coinbase"]}, "terms_contradicted"),
        ({"between_inclusive": False}, "rules_disagree"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_family_outlives_a_word_of_its_terms(columns: dict[str, Any], code: str) -> None:
    families.refresh()
    ContractTerms.objects.update(**columns)
    families.refresh()
    assert FAMILY not in universe.load()
    assert RefusedFamily.objects.get(series_tickers="KXBTC + KXBTCD").code == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda: ContractTerms.objects.update(common_determination=""), "common_determination"),
        (lambda: ContractTerms.objects.update(series_tickers=["KXBTC"], url="/other.txt"), "terms_missing"),
        (lambda: Market.objects.filter(event="KXBTCD-1").update(rules_primary="Another rule."), "rules_unread"),
    ],
    ids=["clause", "terms", "rule"],
)
def test_what_is_no_family_says_which_clause_is_missing(change: Any, code: str) -> None:
    change()
    assert families.refresh().families == []
    row = RefusedFamily.objects.get(series_tickers="KXBTC + KXBTCD")
    assert row.code == code
    assert row.sentence
    assert row.example == "KXBTC-1 + KXBTCD-1"
    assert FAMILY not in universe.load()


@pytest.mark.parametrize("column", ["close_time", "expected_expiration_time"])
def test_events_of_another_moment_are_not_grouped(column: str) -> None:
    Market.objects.filter(event="KXBTCD-1").update(**{column: clock.now() + timedelta(hours=2)})
    assert families.refresh().families == ["FAMILY-KXBTCD-1"], "the ladder alone"


def _moved_to_another_shard() -> None:
    Event.objects.filter(pk="KXBTCD-1").update(exchange_index=1)
    Market.objects.filter(event="KXBTCD-1").update(exchange_index=1)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_moved_to_another_shard, "shard_differs"),
        (lambda: _second().update(latest_expiration_time=clock.now() + timedelta(days=9)), "expiry_differs"),
        (lambda: Market.objects.filter(pk=_second()[0].pk).update(status=""), "leg_not_active"),
    ],
    ids=["shard", "expiry at the latest", "no status"],
)
def test_what_is_no_family_any_more_is_seen_although_no_rule_has_changed(change: Any, code: str) -> None:
    """What a member says beside its rules is a part of what the certificate was given for."""
    families.refresh()
    change()
    certificates.refresh(["KXBTC-1", "KXBTCD-1"])
    families.refresh()
    assert FAMILY not in universe.load()
    assert RefusedFamily.objects.get(series_tickers="KXBTC + KXBTCD").code == code
    assert not Certificate.objects.filter(event=FAMILY, status="granted").exists(), "nothing that was decided is bought"


def _closes_early() -> None:
    """All markets of one member at once: one that moves alone changes the hash of its rules."""
    for number, ticker in enumerate(_second().values_list("pk", flat=True)):
        said = {"market_ticker": ticker, "event_type": "close_date_updated", "close_ts": 1_900_000_000}
        ExchangeMessage.objects.create(kind="lifecycle", key=f"early {number}", payload={"sid": 1, "seq": 1, **said})
    lifecycle.apply_waiting()


def _listed_again(columns: dict[str, Any]) -> None:
    """One member's rows change, as a page of a scan that is not complete yet changes them."""
    _second().update(**columns)
    Event.objects.filter(pk="KXBTCD-1").update(**{k: v for k, v in columns.items() if k == "exchange_index"})
    certificates.refresh(["KXBTCD-1"])
    family_moves.end_moved(["KXBTCD-1"])


@pytest.mark.parametrize(
    "change",
    [
        _closes_early,
        lambda: _listed_again({"exchange_index": 1}),
        lambda: _listed_again({"expected_expiration_time": clock.now() + timedelta(days=9)}),
        lambda: _listed_again({"latest_expiration_time": clock.now() + timedelta(days=9)}),
        lambda: _listed_again({"close_time": clock.now() + timedelta(minutes=9)}),
        lambda: _listed_again({"status": "absent"}),
    ],
    ids=["a message moves a close", "shard", "expiry", "expiry at the latest", "close", "gone from the listing"],
)
def test_a_member_that_moves_ends_the_family_at_once(change: Any) -> None:
    """Not at the end of the next complete scan: until then it would be bought although two moments may settle it."""
    families.refresh()
    assert family_moves.end_moved(["KXBTC-1", "KXBTCD-1"]) == 0, "as it was given"
    assert FAMILY in universe.load()
    change()
    assert FAMILY not in universe.load()
    assert not Certificate.objects.filter(event=FAMILY, status="granted").exists(), "nothing that was decided is bought"


def _second() -> Any:
    return Market.objects.filter(event="KXBTCD-1").order_by("pk")


def test_a_family_that_a_person_revoked_stays_revoked() -> None:
    families.refresh()
    certificates.revoke(Event.objects.get(pk=FAMILY), "ann", "I do not believe it")
    families.refresh()
    assert FAMILY not in universe.load()
    assert RefusedFamily.objects.get().code == "revoked"


@pytest.mark.parametrize(
    "states", [{}, {"atoms": None}, {"atoms": {"cuts": []}}, {"format": 1, "outcomes": ["A"]}], ids=str
)
def test_a_certificate_without_atoms_costs_its_family_and_nothing_else(states: Any) -> None:
    families.refresh()
    Certificate.objects.filter(event=FAMILY).update(states=states)
    assert set(universe.load()) == {"KXBTC-1", "KXBTCD-1"}


def test_nobody_can_vouch_for_a_family() -> None:
    families.refresh()
    with pytest.raises(certificates.NotVouchable):
        certificates.grant(Event.objects.get(pk=FAMILY), "ann", "one of them must win")
    assert FAMILY in universe.load()


@pytest.mark.parametrize("member", ["KXBTC-1", "KXBTCD-1"])
def test_a_member_whose_fee_nobody_knows_makes_that_of_the_family_unknown(member: str) -> None:
    families.refresh()
    Event.objects.filter(pk=member).update(fee_type_override="flat")
    view = universe.load()[FAMILY]
    assert (view.fee_known, view.fee_types) == (False, "flat, quadratic")
    profile()
    assert (screened().constraint, Verdict.objects.get(event=FAMILY).value) == ("fee_type", "flat, quadratic")


def profile(**columns: Any) -> Profile:
    chosen: dict[str, Any] = {"kinds": ["family"], "min_seconds_to_close": 0} | columns
    return world.add_profile(**chosen)


def screened() -> Verdict:
    families.refresh()
    world.add_scan()
    screening.screen()
    return Verdict.objects.get(event=FAMILY)


def test_a_member_whose_certificate_a_person_revoked_makes_no_family() -> None:
    families.refresh()
    certificates.revoke(Event.objects.get(pk="KXBTC-1"), "ann", "I do not believe its rules")
    assert FAMILY not in universe.load(), "at once"
    assert "ann revoked the certificate of KXBTC-1" in Certificate.objects.get(event=FAMILY).reason
    families.refresh()
    assert FAMILY not in universe.load()
    assert RefusedFamily.objects.get().code == "member_revoked"


def test_a_ladder_without_ranges_beside_it_is_a_family_and_is_bought() -> None:
    profile()
    Event.objects.filter(pk="KXBTC-1").update(is_open=False)
    coins.quote("KXBTCD-1", coins.CHEAP)
    assert families.refresh().families == ["FAMILY-KXBTCD-1"]
    world.add_scan()
    screening.screen()
    assert Verdict.objects.get(event="FAMILY-KXBTCD-1").status == "candidate"
    assert set(watchlist.wanted(100)) == {"KXBTCD-1"}
    assert cycle.run(cycle.NUDGE, ["KXBTCD-1"]).decisions == 1
    decision = Decision.objects.get()
    assert (decision.event_id, decision.kind, len(decision.legs)) == ("FAMILY-KXBTCD-1", "family", 2)
    assert min(pays for _, pays in decision.payoff) == decision.floor > decision.cost


def test_a_ladder_that_gets_ranges_beside_it_becomes_a_part_of_their_family() -> None:
    Event.objects.filter(pk="KXBTC-1").update(is_open=False)
    families.refresh()
    Event.objects.filter(pk="KXBTC-1").update(is_open=True)
    assert families.refresh().families == [FAMILY]
    assert not Event.objects.get(pk="FAMILY-KXBTCD-1").is_open


def test_a_profile_that_did_not_choose_families_buys_none() -> None:
    coins.quote("KXBTCD-1", coins.CHEAP)
    world.add_profile()
    verdict = screened()
    assert (verdict.status, verdict.constraint) == ("rejected", "kinds")


def test_coherent_quotes_are_rejected_with_one_reason_and_no_books_are_watched() -> None:
    profile(near_miss_ppm=1_000, watch_margin_ppm=1_000)
    verdict = screened()
    assert (verdict.status, verdict.constraint) == ("rejected", "margin")
    assert watchlist.wanted(100) == {}
    others = Verdict.objects.exclude(event=FAMILY).values_list("constraint", flat=True)
    assert set(others) == {"kinds"}, "within one event a profile of families buys nothing"


def test_quotes_that_nearly_disagree_are_a_near_miss_with_what_would_turn_it() -> None:
    profile(near_miss_ppm=60_000, watch_margin_ppm=1_000)
    coins.quote("KXBTC-1", coins.RANGES)
    coins.quote("KXBTCD-1", [(95, 97), (57, 60), (17, 22)])
    verdict = screened()
    assert verdict.status == "near_miss", (verdict.constraint, verdict.value)
    assert verdict.distance_ppm is not None
    assert 0 < verdict.distance_ppm <= 60_000
    assert "must fall" in verdict.flip


def quoting(**columns: Any) -> Profile:
    quotes = {"quoting": "one_leg", "quote_sides": "both", "quote_stop_seconds": 0, "orphan_budget": 10**9}
    return profile(
        **{"near_miss_ppm": 60_000, "quote_families": True, "quote_min_margin_ppm": 1_000} | quotes | columns
    )


WIDE = [(90, 97), (57, 64), (17, 26)]
"""Coherent thresholds with a spread that leaves something for one who rests."""


def instead(
    one: Profile, ranges: list[tuple[int, int]], thresholds: list[tuple[int, int]]
) -> tuple[VerdictOnBooks, VerdictOnBooks]:
    """The verdict on taking the best basket of these books, and what may rest in its place."""
    coins.quote("KXBTC-1", ranges)
    coins.quote("KXBTCD-1", thresholds)
    families.refresh()
    view = universe.load([FAMILY], deep=True)[FAMILY]
    prices = family_prices.read(prices_of(), {FAMILY: view.books_of})[FAMILY]
    books = candidate_evaluation.depths_of(prices)
    taken = candidate_evaluation.evaluate_candidate(one, view, books, clock.now_ms(), one.capital)
    return taken, quotes.instead(one, view, books, taken, one.capital)


def test_nothing_rests_across_events_unless_the_profile_quotes_families() -> None:
    one = quoting(quote_families=False, kinds=["family", "all_no", "all_yes"])
    taken, found = instead(one, coins.RANGES, WIDE)
    assert taken.constraint == Reason.PRICE
    assert found is taken


def test_one_leg_of_a_family_rests_where_the_profile_quotes_families() -> None:
    taken, found = instead(quoting(), coins.RANGES, WIDE)
    assert taken.constraint == Reason.PRICE
    assert (found.status, found.kind) == ("candidate", "family"), (found.constraint, found.flip)
    assert found.basket is not None
    assert found.quote["way"] == "one_leg"
    legs = {leg.ticker: leg for leg in found.basket.legs}
    assert found.quote["leg"] in legs
    assert found.basket.floor > found.basket.cost
    assert found.basket.cost <= found.basket.cost_at_limits < found.basket.floor
    assert found.quote["orphans"] == legs[found.quote["leg"]].cost


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"quote_min_margin_ppm": 400_000}, "quote_margin"),
        ({"orphan_budget": DOLLAR // 100}, "quote_orphans"),
        ({"max_per_leg": DOLLAR // 10}, "quote_cost"),
        ({"quote_stop_seconds": 7_200}, "quote_ends_soon"),
        ({"quoting": "none"}, "price"),
    ],
)
def test_each_reason_for_no_quote_of_a_family_is_the_verdict(columns: dict[str, Any], reason: str) -> None:
    _, found = instead(quoting(**columns), coins.RANGES, WIDE)
    assert found.constraint == reason


def test_the_leg_that_rests_is_on_a_side_that_the_profile_quotes() -> None:
    for side in ("yes", "no"):
        _, found = instead(quoting(name=side, quote_sides=side), coins.RANGES, WIDE)
        if found.basket is not None and found.status == "candidate":
            leg = next(leg for leg in found.basket.legs if leg.ticker == found.quote["leg"])
            assert leg.side.value == side


def test_fills_of_the_resting_leg_s_series_that_lose_forbid_the_quote() -> None:
    for series in ("KXBTC", "KXBTCD"):
        for side in ("yes", "no"):
            QuoteRecord.objects.create(
                series_id=series, mode="sim", side=side, at=clock.now(), fills=50, mark_60=-500_000, wanted=5_000,
                complete=100, orphaned=4_900, baskets=50, tokens=0,
            )  # fmt: skip
    quote_records.forget()
    _, found = instead(quoting(), coins.RANGES, WIDE)
    assert found.constraint == "quote_loses"


def test_a_leg_that_rests_is_decided_and_its_books_are_watched() -> None:
    quoting(watch_margin_ppm=300_000)
    coins.quote("KXBTC-1", coins.RANGES)
    coins.quote("KXBTCD-1", WIDE)
    assert screened().status == "candidate"
    assert cycle.run(cycle.NUDGE, ["KXBTCD-1"]).decisions == 1, Verdict.objects.values("event", "live_constraint")
    decision = Decision.objects.get()
    assert (decision.event_id, decision.kind, decision.quote["way"]) == (FAMILY, "family", "one_leg")
    assert decision.guaranteed
    assert "rests and the others are taken" in decision.explanation
    assert min(pays for _, pays in decision.payoff) == decision.floor > decision.max_cost >= decision.cost


def test_a_planted_edge_is_watched_decided_and_explained() -> None:
    one = profile()
    coins.quote("KXBTC-1", coins.RANGES)
    coins.quote("KXBTCD-1", coins.CHEAP)
    verdict = screened()
    assert verdict.status == "candidate"
    assert set(watchlist.wanted(100)) == {"KXBTC-1", "KXBTCD-1"}, "the stream keeps the books of its events"
    row = cycle.run(cycle.NUDGE, ["KXBTCD-1"])
    assert row.decisions == 1, Verdict.objects.filter(event=FAMILY).values("live_constraint", "live_value")
    decision = Decision.objects.get()
    assert (decision.event_id, decision.kind, decision.grade) == (FAMILY, "family", "guaranteed")
    assert decision.floor > decision.cost
    assert min(pays for _, pays in decision.payoff) == decision.floor
    assert any("54299.99 < x" in state or "x <= 54299.99" in state for state, _ in decision.payoff)
    assert cycle.run().decisions == 0, "one basket of a family at a time"
    words = "\n".join(explain_event(FAMILY, one))
    assert "one value settles 2 events" in words
