"""Every event one verdict; counts that add up; rows written only when something changed."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest

from kalbot.common import clock
from markets.models import Event, Market, Watch
from strategies.models import NearMiss, Screening, Verdict
from strategies.screening import screening, watchlist
from tests.strategies.world import add_event, add_profile, add_scan, publish_quotes

pytestmark = pytest.mark.django_db


def _verdict(profile: str, event: str) -> Verdict:
    return Verdict.objects.get(profile__name=profile, event_id=event)


def test_a_basket_that_pays_by_its_quotes_is_a_candidate_and_its_books_are_watched() -> None:
    add_profile()
    add_event("E1", [(5200, 5300), (5300, 5400)])  # NO on both costs 0.48 + 0.47 and pays 1
    (row,) = screening.screen(add_scan().pk)
    assert (row.universe, row.candidates, row.near_misses, row.rejected) == (1, 1, 0, 0)
    verdict = _verdict("careful", "E1")
    assert (verdict.status, verdict.kind, verdict.constraint) == ("candidate", "all_no", "")
    assert verdict.distance_ppm is not None
    assert verdict.distance_ppm < 0
    assert Watch.objects.get().source == "candidate:careful"


def test_yes_on_all_is_only_considered_with_a_certificate() -> None:
    add_profile(kinds=["all_yes"])
    add_event("PLAIN", [(4000, 4500), (4400, 4800)])
    add_event("CERTIFIED", [(4000, 4500), (4400, 4800)], certified=True)
    screening.screen(add_scan().pk)
    assert (_verdict("careful", "PLAIN").status, _verdict("careful", "PLAIN").constraint) == ("rejected", "certificate")
    assert (_verdict("careful", "CERTIFIED").status, _verdict("careful", "CERTIFIED").kind) == ("candidate", "all_yes")


def test_an_outcome_without_an_ask_is_never_left_out_of_the_sum() -> None:
    add_profile(kinds=["all_yes"])
    add_event("E1", [(4000, 4500), (None, None), (1000, 1200)], certified=True)
    screening.screen(add_scan().pk)
    verdict = _verdict("careful", "E1")
    assert (verdict.status, verdict.constraint) == ("rejected", "no_ask")


def test_a_near_miss_names_the_price_move_that_would_flip_it() -> None:
    add_profile(watch_margin_ppm=10_000, near_miss_ppm=70_000)
    add_event("E1", [(4800, 5300), (4900, 5400)])  # NO on both: 1.03 and 0.035 of fees for 1
    screening.screen(add_scan().pk)
    verdict = _verdict("careful", "E1")
    assert (verdict.status, verdict.constraint, verdict.kind) == ("near_miss", "margin", "all_no")
    assert verdict.distance_ppm == 64_965
    assert "must fall by $0.0650" in verdict.flip
    assert NearMiss.objects.get().summary["legs"][0]["side"] == "no"


def test_one_filter_missed_closely_is_a_near_miss_and_two_are_not() -> None:
    add_profile(min_volume=1_000, min_open_interest=1_000, near_miss_ppm=50_000)
    add_event("CLOSE", [(5200, 5300), (5300, 5400)], volume=960, open_interest=2_000)
    add_event("FAR", [(5200, 5300), (5300, 5400)], volume=600, open_interest=2_000)
    add_event("TWO", [(5200, 5300), (5300, 5400)], volume=960, open_interest=960)
    screening.screen(add_scan().pk)
    seen = {v.event_id: (v.status, v.constraint, v.distance_ppm) for v in Verdict.objects.all()}
    assert seen["CLOSE"] == ("near_miss", "volume", 40_000)
    assert seen["FAR"] == ("rejected", "volume", 400_000)
    assert seen["TWO"] == ("rejected", "volume", 40_000)


def test_an_event_that_closes_a_moment_too_soon_is_no_near_miss() -> None:
    add_profile(min_seconds_to_close=1_000)
    add_event("E1", [(5200, 5300), (5300, 5400)], close_time=clock.now() + timedelta(seconds=990))
    screening.screen(add_scan().pk)
    verdict = _verdict("careful", "E1")
    assert (verdict.status, verdict.constraint) == ("rejected", "closes_soon")


@pytest.mark.parametrize(
    ("code", "event", "market"),
    [
        ("exclusive", {"mutually_exclusive": False}, {}),
        ("category", {"category": "Politics"}, {}),
        ("combo", {"category": "Exotics"}, {}),
        ("leg_status", {}, {"status": "inactive"}),
        ("contract", {}, {"is_provisional": True}),
        ("contract", {}, {"notional_e6": 100_000_000}),
        ("contract", {}, {"market_type": "scalar"}),
        ("contract", {}, {"settlement_bounds": "floor"}),
        ("shard", {"exchange_index": 1}, {}),
        ("fee_type", {"fee_type_override": "invented"}, {}),
        ("closes_late", {"close_time": clock.now() + timedelta(days=90)}, {}),
        ("closes_soon", {"close_time": clock.now() + timedelta(seconds=5)}, {}),
        ("close_time", {"close_time": None}, {"close_time": None}),
        ("volume", {"volume": 1}, {}),
        ("open_interest", {"open_interest": 1}, {}),
    ],
)
def test_each_filter_binds_by_its_own_name(code: str, event: dict[str, Any], market: dict[str, Any]) -> None:
    add_profile(categories=["Sports", "Exotics"], min_volume=100, min_open_interest=100)
    add_event("E1", [(5200, 5300), (5300, 5400)], market=market, **({"volume": 500, "open_interest": 500} | event))
    screening.screen(add_scan().pk)
    assert (_verdict("careful", "E1").status, _verdict("careful", "E1").constraint) == ("rejected", code)


def test_counts_add_up_over_random_universes() -> None:
    rng = random.Random(7)
    add_profile()
    add_profile("coverage", kinds=["coverage"], min_expected_margin_ppm=-50_000)
    add_profile("picky", categories=["Politics"], min_volume=500, max_outcomes=3, min_depth=50)
    for number in range(60):
        quotes = []
        for _ in range(rng.randint(1, 6)):
            bid = rng.choice([None, rng.randint(1, 95) * 100])
            ask = rng.choice([None, (bid or 0) + rng.randint(1, 9) * 100])
            quotes.append((bid, ask if ask is None or ask < 10_000 else None))
        add_event(
            f"E{number}",
            quotes,
            certified=rng.random() < 0.3,
            size=rng.choice([1, 100, 10_000]),
            category=rng.choice(["Sports", "Politics", ""]),
            mutually_exclusive=rng.random() < 0.8,
            volume=rng.randint(0, 1000),
            market={"status": rng.choice(["active"] * 9 + ["closed"])},
        )
    rows = screening.screen(add_scan().pk)
    assert len(rows) == 3
    for row in rows:
        assert row.candidates + row.near_misses + row.rejected == row.universe == 60
        assert row.candidates + sum(row.counts.values()) == 60
        mine = Verdict.objects.filter(profile=row.profile)
        assert mine.count() == 60
        assert mine.filter(status="candidate").count() == row.candidates
        assert all(v.constraint for v in mine.exclude(status="candidate"))
    assert {row.status for row in Verdict.objects.all()} == {"candidate", "near_miss", "rejected"}


def test_a_tally_that_does_not_add_up_is_refused() -> None:
    with pytest.raises(screening.CountsDoNotAddUp):
        screening.tally({}, 1)


def test_a_filter_that_refuses_nearly_everything_raises_a_warning_even_where_another_binds_first() -> None:
    add_profile(min_volume=1_000_000, categories=["Politics"])
    for number in range(4):
        add_event(f"E{number}", [(5200, 5300), (5300, 5400)], category="Politics" if number < 2 else "Sports")
    (row,) = screening.screen(add_scan().pk)
    assert row.counts == {"volume": 2, "category": 2}
    assert row.failed == {"volume": 4, "category": 2}
    assert row.warning == '"volume" refuses 100.0% of 4 events'


def test_only_changed_verdicts_are_written_and_since_moves_only_with_the_verdict() -> None:
    profile = add_profile()
    add_event("STAYS", [(5200, 5300), (5300, 5400)])
    add_event("MOVES", [(5200, 5300), (5300, 5400)])
    screening.screen(add_scan().pk)
    before = {v.event_id: (v.updated_at, v.since) for v in Verdict.objects.all()}
    Verdict.objects.filter(event_id="MOVES").update(live_constraint="price", decisions=3)
    Market.objects.filter(ticker="MOVES-0").update(yes_bid=5100)
    screening.screen(add_scan().pk)
    after = {v.event_id: v for v in Verdict.objects.all()}
    assert (after["STAYS"].updated_at, after["STAYS"].since) == before["STAYS"]
    assert after["MOVES"].updated_at > before["MOVES"][0]
    assert after["MOVES"].since == before["MOVES"][1]
    assert (after["MOVES"].live_constraint, after["MOVES"].decisions) == ("price", 3)
    Market.objects.filter(ticker="MOVES-0").update(yes_bid=100)
    screening.screen(add_scan().pk)
    moved = _verdict(profile.name, "MOVES")
    assert moved.status == "rejected"
    assert moved.since > before["MOVES"][1]


def test_an_event_that_left_the_universe_has_no_verdict_and_no_watch() -> None:
    add_profile()
    add_event("E1", [(5200, 5300), (5300, 5400)])
    screening.screen(add_scan().pk)
    Event.objects.update(is_open=False)
    (row,) = screening.screen(add_scan().pk)
    assert row.universe == 0
    assert not Verdict.objects.exists()
    assert not Watch.objects.exists()


def test_an_inactive_profile_loses_its_verdicts_and_watched_events() -> None:
    profile = add_profile()
    add_event("E1", [(5200, 5300), (5300, 5400)])
    screening.screen(add_scan().pk)
    profile.is_active = False
    profile.save()
    assert screening.screen(add_scan().pk) == []
    assert not Verdict.objects.exists()
    assert not Watch.objects.exists()


def test_the_same_scan_screened_twice_keeps_one_row() -> None:
    add_profile()
    scan = add_scan()
    screening.screen(scan.pk)
    screening.screen(scan.pk)
    assert Screening.objects.count() == 1


def test_the_watch_list_is_capped_and_takes_the_most_promising_first(settings: Any) -> None:
    settings.WATCH_EVENTS_PER_PROFILE = 2
    add_profile()
    for number, bid in enumerate([5100, 5400, 5300]):
        add_event(f"E{number}", [(bid, bid + 100), (5300, 5400)])
    (row,) = screening.screen(add_scan().pk)
    assert (row.candidates, row.watched) == (3, 2)
    assert set(Watch.objects.values_list("event_id", flat=True)) == {"E1", "E2"}


def test_live_quotes_count_before_those_of_the_catalogue() -> None:
    add_profile()
    add_event("E1", [(3000, 5300), (3000, 5400)])
    publish_quotes({"E1-0": (5200, 5300), "E1-1": (5300, 5400)})
    screening.screen(add_scan().pk)
    assert _verdict("careful", "E1").status == "candidate"


def test_a_live_quote_that_comes_close_makes_a_candidate_between_two_scans() -> None:
    profile = add_profile()
    add_event("E1", [(3000, 5300), (3000, 5400)])
    add_event("SHUT", [(3000, 5300), (3000, 5400)], mutually_exclusive=False)
    screening.screen(add_scan().pk)
    assert _verdict("careful", "E1").status == "rejected"
    assert watchlist.refresh([profile]) == {}
    publish_quotes({f"{event}-{n}": (5200, 5300) for event in ("E1", "SHUT") for n in (0, 1)})
    assert watchlist.refresh([profile]) == {"careful": ["E1"]}
    assert _verdict("careful", "E1").status == "candidate"
    assert _verdict("careful", "SHUT").status == "rejected"
    assert Watch.objects.get().event_id == "E1"
    assert watchlist.refresh([profile]) == {}
