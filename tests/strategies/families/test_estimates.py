"""A bet on coverage goes by the quotes of the event's whole family where these have earned it, and in every other case by its own."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from kalbot.common import cache, clock
from markets import watchlist
from markets.book import Depth
from markets.catalogue import families
from markets.models import Certificate, Event, Market, Watch
from markets.prices import EVENT_KEY
from markets.prices import reader as prices_of
from strategies.catalogue import few, universe
from strategies.catalogue.universe import EventView
from strategies.cycle import cycle, estimates, event_cache, memo
from strategies.cycle.evaluation import evaluate, limits_of, verdict_of
from strategies.dutch.basket import Found, Refused
from strategies.dutch.coverage import by_family, probabilities
from strategies.explain.live_event import explain_event
from strategies.families.estimate import shares
from strategies.families.screen import Graph
from strategies.models import Decision, FamilyGate, Profile, Verdict
from strategies.reasons import EstimateReason
from strategies.screening import screening
from tests.markets.terms.test_families import thresholds
from tests.markets.terms.wording import price_range
from tests.strategies import world
from tests.strategies.families import coins
from tests.strategies.families.coins import FAMILY

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_db")]

WIDE = [(1, 10), (15, 44), (36, 44), (2, 50)]
"""The ranges' own quotes say little."""
NARROW = [(97, 98), (52, 55), (8, 10)]
"""The thresholds say that both ranges in the middle have 44 or so."""


AT_MS = clock.now_ms()


@pytest.fixture(autouse=True)
def catalogue(settings: Any) -> None:
    settings.KALSHI_REST_URL = "http://127.0.0.1:9/trade-api/v2"
    settings.KALSHI_WS_URL = "ws://127.0.0.1:9/trade-api/ws/v2"
    coins.add_coins(hours=8)
    families.refresh()
    for memory in (event_cache, estimates, memo):
        memory.forget()
    publish()


def publish(ranges: list[tuple[int, int]] = WIDE, above: list[tuple[int, int]] = NARROW) -> None:
    coins.quote("KXBTC-1", ranges)
    coins.quote("KXBTCD-1", above)


def profile(**columns: Any) -> Profile:
    """A bet on coverage that the family's quotes allow and the event's own do not."""
    wanted: dict[str, Any] = {
        "kinds": ["coverage"],
        "coverage_threshold_ppm": 750_000,
        "min_expected_margin_ppm": -400_000,
        "allocation": "first_come",
    }
    return world.add_profile(**(wanted | columns))


def candidate(one: Profile) -> None:
    Verdict.objects.create(profile=one, event_id="KXBTC-1", status="candidate", since=clock.now())


def gate(**columns: Any) -> FamilyGate:
    return FamilyGate.objects.create(
        **({"category": "Crypto", "lead_hours": 6, "e_value": 31.0, "events": 400} | columns)
    )


def seen(one: Profile) -> tuple[EventView, Found | Refused]:
    """The event as a cycle would judge it now."""
    view = universe.load(["KXBTC-1"], deep=True)["KXBTC-1"]
    view, prices = estimates.read_one(prices_of(), view, one)
    assert prices.markets.keys() == {outcome.ticker for outcome in view.outcomes}
    return view, evaluate(view, _depths(), limits_of(one, view, AT_MS))


def by_own(one: Profile) -> Found | Refused:
    """The same without any family."""
    view = universe.load(["KXBTC-1"], deep=True)["KXBTC-1"]
    return evaluate(view, _depths(), limits_of(one, view, AT_MS))


def said(outcome: Found | Refused, one: Profile) -> str:
    return repr(verdict_of(outcome, one))


def test_an_open_gate_makes_coverage_go_by_the_family() -> None:
    one = profile()
    gate()
    view, found = seen(one)
    assert view.estimate is not None
    assert view.estimate.reason is EstimateReason.FAMILY
    assert isinstance(found, Found)
    assert found.basket.coverage == pytest.approx(0.83, abs=0.05)
    assert isinstance(by_own(one), Refused)


@pytest.mark.parametrize(
    "closed",
    [
        lambda: None,
        lambda: gate(category="Sports"),
        lambda: gate(lead_hours=12),
        lambda: gate(ended_at=clock.now()),
    ],
    ids=["none", "other category", "other hours", "ended"],
)
def test_a_closed_gate_changes_no_byte_of_a_verdict(closed: Any) -> None:
    closed()
    for threshold in (500_000, 750_000):
        one = profile(name=f"at {threshold}", coverage_threshold_ppm=threshold)
        view, found = seen(one)
        assert (view.family, view.estimate) == (None, None)
        assert said(found, one) == said(by_own(one), one)


def test_a_closed_gate_changes_no_byte_of_a_decision() -> None:
    one = profile(coverage_threshold_ppm=500_000)
    candidate(one)
    assert cycle.run().decisions == 1, Verdict.objects.values("live_constraint", "live_value")
    decision = Decision.objects.get()
    plain = probabilities(_depths(), certified=False)
    assert plain is not None
    assert decision.probabilities == {ticker: round(p, 6) for ticker, p in plain.items()}
    assert "Probabilities" not in decision.explanation


def _depths() -> dict[str, Depth]:
    """The books that are published of the ranges."""
    markets = prices_of().events(["KXBTC-1"])["KXBTC-1"].markets
    return {ticker: market.depth for ticker, market in markets.items() if market.depth is not None}


def test_the_decision_says_whose_probabilities_it_used() -> None:
    one = profile()
    gate()
    candidate(one)
    assert cycle.run().decisions == 1, Verdict.objects.values("live_constraint", "live_value")
    decision = Decision.objects.get()
    view, found = seen(one)
    assert view.estimate is not None
    assert view.estimate.chances is not None
    plain = probabilities(_depths(), certified=False)
    assert plain is not None
    expected = by_family(plain, view.estimate.chances)
    assert decision.probabilities == {ticker: round(p, 6) for ticker, p in expected.items()}
    assert isinstance(found, Found)
    assert found.basket.coverage is not None
    assert decision.coverage_ppm == round(found.basket.coverage * 1_000_000)
    assert f"Probabilities by the quotes of {FAMILY}, which have earned it." in decision.explanation
    assert not decision.guaranteed


def _sibling(**columns: Any) -> None:
    books = {
        market.ticker: (((bid * 100, 10_000),), ((10_000 - ask * 100, 10_000),))
        for market, (bid, ask) in zip(thresholds().markets, NARROW, strict=True)
    }
    first = min(books)
    if columns.pop("without", False):
        del books[first]
    if columns.pop("suspect", False):
        columns["suspect"] = [first]
    if columns.pop("paused", False):
        columns["status"] = {first: "inactive"}
    world.publish("KXBTCD-1", books, **columns)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda: _sibling(epoch="gone"), EstimateReason.SIBLING_EPOCH),
        (lambda: cache.prices().delete(EVENT_KEY + "KXBTCD-1"), EstimateReason.SIBLING_NO_BOOK),
        (lambda: _sibling(without=True), EstimateReason.SIBLING_NO_BOOK),
        (lambda: _sibling(suspect=True), EstimateReason.SIBLING_SUSPECT),
        (lambda: _sibling(paused=True), EstimateReason.SIBLING_PAUSED),
        (lambda: publish(above=[(97, 98), (20, 22), (60, 62)]), EstimateReason.INCOHERENT),
        (lambda: Market.objects.filter(event="KXBTCD-1").update(is_provisional=True), EstimateReason.FAMILY_CHANGED),
    ],
    ids=["epoch", "no record", "no book", "gap", "paused", "no measure", "odd"],
)
def test_a_sibling_that_cannot_be_read_leaves_the_plain_estimate_and_its_reason(
    change: Any, reason: EstimateReason
) -> None:
    one = profile(coverage_threshold_ppm=500_000)
    gate()
    assert seen(one)[0].estimate is not None
    change()
    view, found = seen(one)
    assert view.estimate is not None
    assert (view.estimate.reason, view.estimate.chances) == (reason, None)
    assert said(found, one) == said(by_own(one), one)
    candidate(one)
    assert cycle.run().decisions == 1, Verdict.objects.values("live_constraint", "live_value")
    assert "Probabilities by the event's own quotes" in Decision.objects.get().explanation


def test_prices_that_are_as_lately_proven_as_the_events_are_wanted() -> None:
    """Two readers of one connection: what is proven alive earlier than the event's own is not of the same moment."""
    one = profile()
    gate()
    view = universe.load(["KXBTC-1"], deep=True)["KXBTC-1"]

    class Late:
        def events(self, tickers: Any) -> Any:
            found = prices_of().events(tickers)
            late = found["KXBTCD-1"]
            found["KXBTCD-1"] = type(late)(late.event_ticker, late.epoch, late.live, late.alive_ms - 1, late.markets)
            return found

        def tickers(self, tickers: Any) -> Any:
            return {}

    views, _ = estimates.read(Late(), {view.ticker: view}, [one])
    assert views["KXBTC-1"].estimate is not None
    assert views["KXBTC-1"].estimate.reason is EstimateReason.SIBLING_STALE


def test_what_is_called_guaranteed_is_the_same_with_any_gate() -> None:
    """The family's word is for coverage alone: baskets of other kinds, their shape and what they are expected to pay stay."""
    publish(ranges=[(1, 4), (20, 40), (20, 40), (3, 8)], above=[(96, 98), (57, 62), (4, 8)])
    Certificate.objects.filter(event="KXBTC-1").update(one_must_win=True)
    for kinds in (["all_yes"], ["all_yes", "all_no"]):
        one = profile(name="-".join(kinds), kinds=kinds, shape="proportional", max_per_position=20 * 10**6)
        before = said(seen(one)[1], one)
        opened = gate()
        covering = profile(name=f"{one.name} and coverage", kinds=[*kinds, "coverage"], shape="proportional")
        view, found = seen(covering)
        assert view.estimate is not None
        assert view.estimate.chances is not None
        assert said(evaluate(view, _depths(), limits_of(one, view, AT_MS)), one) == before
        if isinstance(found, Found) and found.basket.guaranteed:
            assert found.basket.kind.value in kinds
        opened.delete()


def test_only_profiles_that_bet_on_coverage_read_a_family() -> None:
    gate()
    assert seen(profile())[0].estimate is not None
    assert seen(profile(name="sure", kinds=["all_yes"]))[0].estimate is None


class Counted:
    """A reader that counts what is fetched."""

    def __init__(self) -> None:
        self.fetched: list[list[str]] = []

    def events(self, tickers: Any) -> Any:
        self.fetched.append(list(tickers))
        return prices_of().events(tickers)

    def tickers(self, tickers: Any) -> Any:
        return prices_of().tickers(tickers)


def _work(ticker: str) -> tuple[int, list[list[str]]]:
    """Statements of one reading of an event, and what is fetched for its judgement."""
    reader = Counted()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        view = universe.load([ticker], deep=True)[ticker]
        estimates.read(reader, {ticker: view}, [Profile(kinds=["coverage"])])
    return len(queries), reader.fetched


def test_an_event_without_family_costs_nothing_more_and_one_with_a_family_one_fetch() -> None:
    world.add_event(
        "ALONE", [(2000, 2500), (7000, 7500)], category="Crypto", close_time=clock.now() + timedelta(hours=8)
    )
    closed = _work("ALONE")
    assert _work("KXBTC-1") == (closed[0], [["KXBTC-1"]]), "a family without a gate"
    gate()
    assert _work("ALONE") == closed
    assert closed[1] == [["ALONE"]]
    _, fetched = _work("KXBTC-1")
    assert [sorted(one) for one in fetched] == [["KXBTC-1", "KXBTCD-1"]], "the books of all members, of one instant"


def test_the_same_books_give_the_same_view_and_another_siblings_price_another_one() -> None:
    one = profile()
    gate()
    view = universe.load(["KXBTC-1"], deep=True)["KXBTC-1"]

    def read() -> EventView:
        return estimates.read(prices_of(), {view.ticker: view}, [one])[0][view.ticker]

    first = read()
    assert read() is first
    publish(above=[(97, 98), (51, 53), (8, 10)])
    second = read()
    assert second.estimate != first.estimate


def test_a_gate_that_ends_counts_at_the_decision_at_once() -> None:
    one = profile()
    opened = gate()
    candidate(one)
    event_cache.current(["KXBTC-1"])
    FamilyGate.objects.filter(pk=opened.pk).update(ended_at=clock.now())
    assert cycle.run().decisions == 0
    assert Decision.objects.count() == 0


def test_the_books_of_siblings_are_watched_while_a_gate_is_open() -> None:
    one = profile(coverage_threshold_ppm=500_000)
    world.add_scan()
    screening.screen()
    assert Verdict.objects.get(profile=one, event="KXBTC-1").status == "candidate"
    assert set(Watch.objects.values_list("event_id", flat=True)) == {"KXBTC-1"}
    gate()
    screening.screen()
    assert set(watchlist.wanted(100)) == {"KXBTC-1", "KXBTCD-1"}


def test_a_person_reads_which_estimate_is_used_and_why() -> None:
    one = profile()
    assert "have not earned it here" in "\n".join(explain_event("KXBTC-1", one))
    opened = gate()
    words = "\n".join(explain_event("KXBTC-1", one))
    assert (
        f"Probabilities by the quotes of {FAMILY}, which have earned it. Crypto, 6 h: e-value 31.0 over 400 events."
        in words
    )
    _sibling(suspect=True)
    assert "is being repaired" in "\n".join(explain_event("KXBTC-1", one))
    FamilyGate.objects.filter(pk=opened.pk).update(ended_at=clock.now(), later_e_value=0.5, later_events=30)
    assert "e-value 15.5 over 430 events, not enough since" in "\n".join(explain_event("KXBTC-1", one))
    Event.objects.filter(is_family=True).update(is_open=False)
    assert "of no family" in "\n".join(explain_event("KXBTC-1", one))
    assert "Probabilities" not in "\n".join(explain_event("KXBTC-1", profile(name="sure", kinds=["all_no"])))


def test_a_gate_that_was_not_earned_cannot_be_stored() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        gate(e_value=19.9)
    gate()
    with pytest.raises(IntegrityError), transaction.atomic():
        gate(e_value=40.0)


def test_reasons_are_sentences() -> None:
    assert json.dumps([reason.value for reason in EstimateReason])
    assert all(
        "{family}" in r.sentence or r in (EstimateReason.NO_FAMILY, EstimateReason.NOT_EARNED) for r in EstimateReason
    )


def test_shares_are_none_where_the_family_leaves_an_event_nothing() -> None:
    atoms = universe.load([FAMILY])[FAMILY].atoms
    assert atoms is not None
    quotes = dict.fromkeys(atoms.spans, (None, None)) | {m.ticker: (None, 0) for m in price_range().markets}
    assert shares(Graph(atoms), atoms, quotes, [m.ticker for m in price_range().markets]) is None


def test_views_that_are_read_with_other_things_are_of_events_without_families_alone() -> None:
    world.add_event("PLAIN", [(4_000, 4_500)] * 2)
    assert FAMILY in universe.load([FAMILY], deep=True)
    assert few.fetching([FAMILY, "PLAIN"]).now() == {}
    assert few.fetching(["PLAIN"]).now() == universe.load(["PLAIN"], deep=True) != {}
