"""The scan: complete, economical, and never fooled by a part of the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import pytest
import redis
from django.core.management import CommandError, call_command

from kalbot.common import cache
from markets import selectors, tasks
from markets.catalogue.scan import end_abandoned, scan
from markets.fees import FeeError
from markets.kalshi.rest.client import KalshiClient
from markets.models import Certificate, Event, Market, ReviewedSeries, Scan, Series
from markets.terms import certificates
from markets.terms.grades import Grade
from markets.terms.states import StateList
from tests.markets.exchange import SmallExchange, game, market, series, temperature

pytestmark = pytest.mark.django_db


def test_every_page_is_read_and_counted(exchange: SmallExchange, client: KalshiClient) -> None:
    exchange.add(*(temperature(f"KXHIGHMIA-{n}") for n in range(5)), game("KXGAME-1"))
    calls: list[int] = []
    done = scan(client, progress=lambda row: calls.append(row.pages))
    assert done.status == Scan.Status.DONE, done.error
    assert (done.pages, done.events, done.markets, done.rejected) == (3, 6, 17, 0)
    assert (done.events_written, done.markets_written) == (6, 17)
    assert list(dict.fromkeys(calls)) == [0, 1, 2, 3]
    assert Event.objects.filter(is_open=True).count() == 6
    leg = Market.objects.get(ticker="KXHIGHMIA-0-1")
    assert (leg.yes_bid, leg.yes_ask, leg.yes_ask_size) == (4000, 4300, 500)
    assert (leg.floor_strike, leg.cap_strike, leg.price_bands) == ("80", "81", [[0, 10000, 100]])
    assert Series.objects.get(ticker="KXHIGHMIA").fee_type == "quadratic"


def test_a_second_scan_writes_only_what_changed(exchange: SmallExchange, client: KalshiClient) -> None:
    exchange.add(*(temperature(f"KXHIGHMIA-{n}") for n in range(4)))
    scan(client)
    untouched = Market.objects.get(ticker="KXHIGHMIA-1-0").updated_at
    again = scan(client)
    assert (again.events_written, again.markets_written, again.events) == (0, 0, 4)
    exchange.listed["KXHIGHMIA-2"]["markets"][0]["yes_bid_dollars"] = "0.4100"
    third = scan(client)
    assert (third.events_written, third.markets_written) == (0, 1)
    assert Market.objects.get(ticker="KXHIGHMIA-2-0").yes_bid == 4100
    assert Market.objects.get(ticker="KXHIGHMIA-1-0").updated_at == untouched


def test_a_death_before_the_certificates_leaves_the_rows_as_they_were(
    exchange: SmallExchange, client: KalshiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange.add(temperature("KXHIGHMIA-1"))
    scan(client)
    assert Certificate.objects.get(event_id="KXHIGHMIA-1").status == Certificate.Status.GRANTED
    exchange.listed["KXHIGHMIA-1"]["markets"][1]["rules_primary"] = "Something else altogether."

    def dies(tickers: list[str]) -> int:
        raise SystemExit("killed")

    with monkeypatch.context() as patch:
        patch.setattr(certificates, "refresh", dies)
        with pytest.raises(SystemExit):
            scan(client)
    assert "altogether" not in Market.objects.get(ticker="KXHIGHMIA-1-1").rules_primary
    scan(client)
    assert Certificate.objects.filter(event_id="KXHIGHMIA-1", status=Certificate.Status.GRANTED).count() == 0


def test_a_scan_keeps_its_lock_page_by_page(
    exchange: SmallExchange, client: KalshiClient, redis_db: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange.add(*(temperature(f"KXHIGHMIA-{n}") for n in range(6)))
    left: list[int] = []

    def shorten(tickers: list[str]) -> None:
        left.append(int(redis_db.pttl(cache.key("lock:scan"))))
        redis_db.pexpire(cache.key("lock:scan"), 900)

    monkeypatch.setattr(certificates, "refresh", shorten)
    tasks.scan_catalogue()
    assert len(left) == 3
    assert min(left) > 900
    assert redis_db.get(cache.key("lock:scan")) is None


def test_a_scan_whose_process_died_does_not_seem_to_run_for_ever(exchange: SmallExchange, client: KalshiClient) -> None:
    dead = Scan.objects.create(started_at="2026-11-23T12:00:00Z")
    exchange.add(temperature("KXHIGHMIA-1"))
    number = tasks.scan_catalogue()
    assert number is not None
    done = Scan.objects.get(pk=number)
    dead.refresh_from_db()
    assert (dead.status, done.status) == (Scan.Status.FAILED, Scan.Status.DONE)
    assert "its process ended or was too slow" in dead.error


def test_a_scan_that_another_one_overtook_writes_no_more_and_stays_failed(
    exchange: SmallExchange, client: KalshiClient
) -> None:
    exchange.add(*(temperature(f"KXHIGHMIA-{n}") for n in range(6)))
    scan(client)
    for event in exchange.listed.values():
        event["title"] = "Another title"
    del exchange.listed["KXHIGHMIA-5"]

    def overtaken(row: Scan) -> None:
        if row.pages == 1:
            assert end_abandoned() == 1

    slow = scan(client, progress=overtaken)
    assert (slow.status, slow.error[:15]) == (Scan.Status.FAILED, "no page in time")
    assert Scan.objects.get(pk=slow.pk).status == Scan.Status.FAILED
    assert Event.objects.filter(title="Another title").count() == 2, "the page before, and none after it"
    assert Event.objects.filter(is_open=True).count() == 6


def test_a_scan_shows_that_it_gets_on_while_it_fetches_what_left_the_listing(
    exchange: SmallExchange, client: KalshiClient
) -> None:
    exchange.add(*(temperature(f"KXHIGHMIA-{n}") for n in range(6)))
    scan(client)
    exchange.known = {ticker: exchange.listed.pop(ticker) for ticker in list(exchange.listed)[:5]}
    requests: list[int] = []
    scan(client, progress=lambda row: requests.append(len(exchange.requested)))
    assert max(later - earlier for earlier, later in pairwise(requests)) <= 1


def test_one_scan_at_a_time_also_from_a_shell(exchange: SmallExchange, client: KalshiClient) -> None:
    with cache.lock("scan", 60):
        with pytest.raises(CommandError, match="Another scan is running"):
            call_command("scan")
        assert tasks.scan_catalogue() is None
    assert not Scan.objects.exists()
    call_command("scan")
    assert Scan.objects.get().status == Scan.Status.DONE


def test_a_price_alone_has_no_certificate_judged_again(
    exchange: SmallExchange, client: KalshiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange.add(temperature("KXHIGHMIA-1"), temperature("KXHIGHMIA-2"))
    scan(client)
    exchange.listed["KXHIGHMIA-1"]["markets"][0]["yes_bid_dollars"] = "0.4100"
    exchange.listed["KXHIGHMIA-2"]["markets"][0]["status"] = "inactive"
    judged: list[str] = []
    refresh = certificates.refresh

    def recorded(tickers: Iterable[str]) -> int:
        judged.extend(tickers)
        return refresh(tickers)

    monkeypatch.setattr(certificates, "refresh", recorded)
    scan(client)
    assert judged == ["KXHIGHMIA-2"]


def test_an_empty_side_has_no_price(exchange: SmallExchange, client: KalshiClient) -> None:
    event = game("KXGAME-1")
    event["markets"][0].update(yes_ask_dollars="1.0000", yes_ask_size_fp="0.00")
    exchange.add(event)
    scan(client)
    assert Market.objects.get(ticker="KXGAME-1-A").yes_ask is None


def test_combos_are_left_out_and_counted(exchange: SmallExchange, client: KalshiClient) -> None:
    combo = game("KXGAME-2")
    combo["markets"][0]["mve_collection_ticker"] = "KXMVECOLLECTION"
    exchange.add(game("KXMVESPORTS-1"), combo, game("KXGAME-1"))
    done = scan(client)
    assert (done.combos_left_out, done.events) == (2, 1)
    assert list(Event.objects.values_list("ticker", flat=True)) == ["KXGAME-1"]


def test_a_listing_that_breaks_off_closes_nothing(exchange: SmallExchange, client: KalshiClient) -> None:
    exchange.add(*(temperature(f"KXHIGHMIA-{n}") for n in range(6)))
    scan(client)
    exchange.break_after_pages = 1
    broken = scan(client)
    assert broken.status == Scan.Status.FAILED
    assert "authentication_error" in broken.error
    assert broken.events_gone == 0
    assert Event.objects.filter(is_open=True).count() == 6


def test_an_event_that_left_the_listing_is_closed_and_its_result_learnt(
    exchange: SmallExchange, client: KalshiClient
) -> None:
    exchange.add(temperature("KXHIGHMIA-1"), temperature("KXHIGHMIA-2"))
    scan(client)
    settled = exchange.listed.pop("KXHIGHMIA-1")
    for n, leg in enumerate(settled["markets"]):
        leg.update(
            status="finalized", result="yes" if n == 1 else "no", settlement_value_dollars=f"{float(n == 1):.4f}"
        )
    exchange.known["KXHIGHMIA-1"] = settled
    done = scan(client)
    assert done.events_gone == 1
    assert not Event.objects.get(ticker="KXHIGHMIA-1").is_open
    winner = Market.objects.get(ticker="KXHIGHMIA-1-1")
    assert (winner.status, winner.result, winner.settlement_value_e6) == ("finalized", "yes", 1_000_000)
    requests = exchange.requested.count("/events/KXHIGHMIA-1")
    scan(client)
    assert exchange.requested.count("/events/KXHIGHMIA-1") == requests  # known now, so not fetched again


def test_an_event_that_comes_back_is_open_again(exchange: SmallExchange, client: KalshiClient) -> None:
    exchange.add(temperature("KXHIGHMIA-1"), temperature("KXHIGHMIA-2"))
    scan(client)
    away = exchange.listed.pop("KXHIGHMIA-1")
    scan(client)
    assert not Event.objects.get(ticker="KXHIGHMIA-1").is_open
    exchange.add(away)
    scan(client)
    assert Event.objects.get(ticker="KXHIGHMIA-1").is_open


def test_a_refused_event_is_counted_and_not_traded(exchange: SmallExchange, client: KalshiClient) -> None:
    exchange.add(temperature("KXHIGHMIA-1"), temperature("KXHIGHMIA-2"))
    scan(client)
    exchange.listed["KXHIGHMIA-1"]["markets"][0]["yes_bid_size_fp"] = "-3.00"
    done = scan(client)
    assert (done.rejected, done.events, done.status) == (1, 1, Scan.Status.DONE)
    assert not Event.objects.get(ticker="KXHIGHMIA-1").is_open
    assert Event.objects.get(ticker="KXHIGHMIA-2").is_open


def test_a_leg_that_left_its_event_is_absent_and_voids_the_certificate(
    exchange: SmallExchange, client: KalshiClient
) -> None:
    exchange.add(temperature("KXHIGHMIA-1"))
    scan(client)
    event = Event.objects.get(ticker="KXHIGHMIA-1")
    assert certificates.in_force(event) is not None
    leg = exchange.listed["KXHIGHMIA-1"]["markets"].pop(0)
    scan(client)
    assert Market.objects.get(ticker=leg["ticker"]).status == "absent"
    assert certificates.in_force(event) is None
    exchange.listed["KXHIGHMIA-1"]["markets"].append(leg)
    scan(client)
    assert Market.objects.get(ticker=leg["ticker"]).status == "active"
    assert certificates.in_force(event) is not None


def test_strikes_that_tile_must_have_a_winner_and_an_unreviewed_game_need_not(
    exchange: SmallExchange, client: KalshiClient
) -> None:
    exchange.add(temperature("KXHIGHMIA-1"), game("KXGAME-1"))
    scan(client)
    granted = certificates.in_force(Event.objects.get(ticker="KXHIGHMIA-1"))
    assert granted is not None
    assert (granted.kind, granted.one_must_win, granted.grade) == ("tiling", True, Grade.IF_DETERMINED)
    assert set(StateList.from_json(granted.states).outcomes) == {f"KXHIGHMIA-1-{n}" for n in range(3)}
    game_granted = certificates.in_force(Event.objects.get(ticker="KXGAME-1"))
    assert game_granted is not None
    assert (game_granted.kind, game_granted.one_must_win) == ("exclusive", False)


def test_rules_that_were_not_read_are_refused_with_the_sentence(exchange: SmallExchange, client: KalshiClient) -> None:
    exchange.add(temperature("KXHIGHMIA-1"))
    for listed in exchange.listed["KXHIGHMIA-1"]["markets"]:
        listed["rules_secondary"] += " A tie of two stations pays nobody."
    scan(client)
    row = Certificate.objects.get(event_id="KXHIGHMIA-1")
    assert row.status == Certificate.Status.REFUSED
    assert "A tie of two stations pays nobody." in row.reason
    event = Event.objects.get(ticker="KXHIGHMIA-1")
    assert certificates.grant(event, "operator", "I know better").grade == Grade.CONDITIONAL


def test_certificates_of_an_earlier_way_of_reading_do_not_count_and_are_given_again(
    exchange: SmallExchange, client: KalshiClient
) -> None:
    exchange.add(temperature("KXHIGHMIA-1"))
    scan(client)
    Certificate.objects.update(reading=1)
    event = Event.objects.get(ticker="KXHIGHMIA-1")
    assert certificates.in_force(event) is None
    certificates.refresh(["KXHIGHMIA-1"])
    assert certificates.in_force(event) is not None


@pytest.mark.parametrize(
    "change",
    [
        lambda event: event["markets"][0].update(rules_primary="Rules were revised."),
        lambda event: event["markets"][1].update(cap_strike=82),
        lambda event: event["markets"].append(market("KXHIGHMIA-1-9", "KXHIGHMIA-1")),
        lambda event: event.update(mutually_exclusive=False),
        lambda event: event["markets"][0].update(status="determined", result="no"),
    ],
)
def test_a_change_of_facts_voids_the_certificate_within_one_scan(
    exchange: SmallExchange, client: KalshiClient, change: Callable[[dict[str, Any]], object]
) -> None:
    exchange.add(temperature("KXHIGHMIA-1"))
    scan(client)
    first = certificates.in_force(Event.objects.get(ticker="KXHIGHMIA-1"))
    assert first is not None
    change(exchange.listed["KXHIGHMIA-1"])
    scan(client)
    first.refresh_from_db()
    assert first.status == Certificate.Status.VOID
    assert first.ended_at is not None
    current = certificates.in_force(Event.objects.get(ticker="KXHIGHMIA-1"))
    assert current is None or current.rules_hash != first.rules_hash


def test_prices_alone_leave_a_certificate_in_force(exchange: SmallExchange, client: KalshiClient) -> None:
    exchange.add(temperature("KXHIGHMIA-1"))
    scan(client)
    before = certificates.in_force(Event.objects.get(ticker="KXHIGHMIA-1"))
    exchange.listed["KXHIGHMIA-1"]["markets"][0].update(yes_bid_dollars="0.1000", volume_fp="99.00")
    scan(client)
    assert certificates.in_force(Event.objects.get(ticker="KXHIGHMIA-1")) == before


def test_a_person_grants_and_revokes(exchange: SmallExchange, client: KalshiClient) -> None:
    exchange.add(game("KXGAME-1"))
    scan(client)
    event = Event.objects.get(ticker="KXGAME-1")
    granted = certificates.grant(event, "operator", "no ties in this cup")
    assert certificates.in_force(event) == granted
    revoked = certificates.revoke(event, "operator", "mistaken")
    assert certificates.in_force(event) is None
    exchange.listed["KXGAME-1"]["markets"][0]["rules_primary"] = "Revised."
    scan(client)
    revoked.refresh_from_db()
    assert revoked.status == Certificate.Status.REVOKED  # only a person lifts it
    assert certificates.grant(event, "operator", "checked again").status == Certificate.Status.GRANTED
    assert certificates.in_force(event) is not None


def test_a_review_of_a_series_certifies_its_games(exchange: SmallExchange, client: KalshiClient) -> None:
    exchange.add(game("KXGAME-1"))
    scan(client)
    ReviewedSeries.objects.create(
        series_id="KXGAME",
        shape="two_way",
        tie_impossible=True,
        outcome_names=["A", "B"],
        reason="extra time until somebody wins",
        reviewed_by="operator",
    )
    certificates.refresh_series("KXGAME")
    certificate = certificates.in_force(Event.objects.get(ticker="KXGAME-1"))
    assert certificate is not None
    assert certificate.kind == "reviewed"


def test_fees_follow_series_override_and_announced_change(exchange: SmallExchange, client: KalshiClient) -> None:
    exchange.add(game("KXGAME-1"), game("KXGAME-2"), game("KXCHEAP-1", "KXCHEAP"))
    exchange.listed["KXGAME-2"].update(fee_type_override="quadratic_with_maker_fees", fee_multiplier_override=0.5)
    exchange.series["KXCHEAP"] = series("KXCHEAP", fee_type="flat")
    scan(client)

    def schedule(ticker: str) -> tuple[str, int]:
        found = selectors.fee_schedule(Event.objects.select_related("series").get(ticker=ticker))
        return found.fee_type, found.multiplier_e6

    assert schedule("KXGAME-1") == ("quadratic", 1_000_000)
    assert schedule("KXGAME-2") == ("quadratic_with_maker_fees", 500_000)
    with pytest.raises(FeeError):
        schedule("KXCHEAP-1")
    exchange.series_fee_changes = [
        {
            "id": "1",
            "series_ticker": "KXGAME",
            "fee_type": "quadratic",
            "fee_multiplier": 2,
            "scheduled_ts": "2099-01-01T00:00:00Z",
        }
    ]
    scan(client)
    assert schedule("KXGAME-1") == ("quadratic", 1_000_000)
    from kalbot.common import clock
    from markets.models import FeeChange

    FeeChange.objects.update(scheduled_at=clock.now())  # its time has come, the series' row does not know yet
    assert schedule("KXGAME-1") == ("quadratic", 2_000_000)
    exchange.series_fee_changes = []
    exchange.series["KXGAME"]["fee_multiplier"] = 3
    FeeChange.objects.all().delete()
    scan(client)
    assert schedule("KXGAME-1") == ("quadratic", 3_000_000)
