"""Settlement on the exchange: after orders and fills, never on a leg with open orders, compared with the exchange's record."""

from __future__ import annotations

import json
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
import time_machine

from kalbot.common import clock
from markets.kalshi.errors import Forbidden
from markets.kalshi.rest.portfolio import Portfolio
from markets.models import Market
from strategies.models import Profile
from tests.trading import world
from tests.trading.twin import Twin
from trading.accounting import audit, balance_check
from trading.closing import exits, finals, settlement
from trading.closing.finals import FinalResult
from trading.execution import executor
from trading.models import Denial, Discrepancy, Leg, Order, Position, Settlement
from trading.reconciliation import reconcile
from trading.safety import halt, resolution
from trading.venues.live import LiveVenue
from trading.venues.protocol import Unresolved

DEPTH = 10_000
LIMITS = (3_000, 3_200, 3_100)
DOLLAR = 1_000_000


def _buy(twin: Twin) -> Position:
    profile = world.add_profile("live", mode="live")
    position = executor.execute(world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True))).pk)
    assert position is not None
    assert position.status == "open"
    reconcile.run("live", "test")
    return position


def _open_codes() -> set[str]:
    return set(Discrepancy.objects.filter(resolved_at=None).values_list("code", flat=True))


def _agrees(twin: Twin, profile: Profile) -> None:
    row = reconcile.run("live", "test")
    assert (row.error, row.differences, row.balance_difference) == ("", 0, 0)
    assert balance_check.summary(profile)["difference"] == 0
    assert audit.totals(profile) == []


@pytest.mark.parametrize("restricted", [False, True], ids=["any key", "a key of the primary alone"])
def test_each_subaccount_is_settled_by_its_own_record(
    twin: Twin, monkeypatch: pytest.MonkeyPatch, restricted: bool
) -> None:
    """Two profiles hold the same markets, with other counts, on two subaccounts: no record says whose it is."""
    profiles = [world.add_profile("live", mode="live"), world.add_profile("other", mode="live", subaccount=5)]
    twin.exchange.ledger.credit((5, 0), 100 * DOLLAR)
    reconcile.run("live", "test")
    limits = dict(zip(twin.markets, LIMITS, strict=True))
    for profile, count in zip(profiles, (1_000, 300), strict=True):
        position = executor.execute(world.decide(profile, twin.row, limits, count).pk)
        assert position is not None, Denial.objects.values_list("code", "detail")
        assert position.status == "open"
    real = Portfolio.settlements

    def of_key(self: Portfolio, *, subaccount: int | None = None, **params: Any) -> Any:
        if subaccount == 0 and restricted:
            raise Forbidden(403, "forbidden", "the api key is restricted to another subaccount")
        return real(self, subaccount=0 if subaccount is None and restricted else subaccount, **params)

    monkeypatch.setattr(Portfolio, "settlements", of_key)
    twin.finish(winner=twin.markets[1])
    assert settlement.run("live") == 6
    for profile, count in zip(profiles, (1_000, 300), strict=True):
        assert Position.objects.get(profile=profile).payout == 10_000 * count
        _agrees(twin, profile)
    assert not Discrepancy.objects.exists()


@pytest.mark.parametrize("sold", [100, 600, 999, 1_000])
def test_a_sale_whose_answer_was_lost_is_booked_before_its_market_is_settled(
    twin: Twin, monkeypatch: pytest.MonkeyPatch, sold: int
) -> None:
    position = _buy(twin)
    winner = twin.markets[0]
    for ticker in twin.markets:
        twin.cancel_makers(ticker, "bid")
    twin.quote(winner, "bid", 2_400, sold)
    twin.sync()
    exits.request_exit(position_id=position.pk, actor="test", reason="test", below_floor="a test")

    def lost(*args: object, **kwargs: object) -> None:
        raise Unresolved("nobody answers")

    with monkeypatch.context() as patch:
        patch.setattr(LiveVenue, "resolve", lost)
        twin.exchange.faults.add(kind="timeout", method="POST", when="after", count=1)
        executor.step(position.pk)
    assert Order.objects.get(position=position, action="sell").status == "unknown"
    twin.finish(winner)
    settlement.run()
    assert not Settlement.objects.filter(leg__market_id=winner).exists(), "its order has not ended"
    _agrees(twin, position.profile)
    leg = Leg.objects.get(position=position, market_id=winner)
    assert (leg.sold_count, leg.settled_count, leg.payout) == (sold, 1_000 - sold, (1_000 - sold) * 10_000)
    executor.step(position.pk)
    settlement.run()
    position.refresh_from_db()
    assert position.status in ("settled", "closed")
    assert not _open_codes()


def test_fewer_contracts_in_the_record_are_settled_and_the_rest_is_named(twin: Twin) -> None:
    position = _buy(twin)
    winner = twin.markets[0]
    twin.exchange.ledger.positions[(0, winner)].count = 400
    twin.finish(winner)
    reconcile.run("live", "test")
    leg = Leg.objects.get(position=position, market_id=winner)
    assert (leg.settled_count, leg.payout) == (400, 4 * DOLLAR), "never more than was credited"
    assert "settlement_count" in _open_codes()
    assert halt.current(position.profile) == "reducing"
    assert balance_check.summary(position.profile)["difference"] == 0


@pytest.mark.parametrize("counted", [0, 400, 1_200])
def test_a_person_ends_a_position_whose_contracts_the_record_does_not_count(
    twin: Twin, settings: Any, counted: int
) -> None:
    position = _buy(twin)
    winner = twin.markets[0]
    twin.exchange.ledger.positions[(0, winner)].count = counted
    twin.finish(winner)
    if not counted:  # the exchange writes no record, and says so only by never writing one
        settlement.run()
        assert "settlement_count" not in _open_codes()
        settings.KALBOT_WAITING_LIMIT_SECONDS = -1
    reconcile.run("live", "test")
    assert "settlement_count" in _open_codes()
    for row in list(Discrepancy.objects.filter(resolved_at=None).order_by("code")):
        if Discrepancy.objects.filter(pk=row.pk, resolved_at=None).exists():
            resolution.resolve(row.pk, actor="anna", reason="sold by hand")
    position.refresh_from_db()
    assert position.status in ("settled", "closed")
    leg = Leg.objects.get(position=position, market_id=winner)
    assert (leg.held, leg.settled_count) == (0, min(counted, 1_000))
    reconcile.run("live", "test")
    for row in Discrepancy.objects.filter(resolved_at=None):  # the cash of the same contracts
        resolution.resolve(row.pk, actor="anna", reason="sold by hand")
    _agrees(twin, position.profile)
    assert not _open_codes()


def test_contracts_found_after_a_settlement_are_a_further_version(twin: Twin) -> None:
    position = _buy(twin)
    winner = twin.markets[0]
    leg = Leg.objects.get(position=position, market_id=winner)
    Leg.objects.filter(pk=leg.pk).update(sold_count=300)
    twin.finish(winner)
    settlement.run()
    Leg.objects.filter(pk=leg.pk).update(sold_count=0)
    settlement.run()
    assert list(leg.settlements.order_by("version").values_list("version", "count")) == [(1, 700), (2, 300)]
    leg.refresh_from_db()
    assert (leg.payout, leg.held, leg.open_cost) == (10 * DOLLAR, 0, 0)
    assert not _open_codes()
    assert balance_check.summary(position.profile)["difference"] == 0


def test_a_payout_unlike_the_record_is_named(twin: Twin) -> None:
    position = _buy(twin)
    twin.finish(twin.markets[0])
    for record in twin.exchange.ledger.settlements:
        record.revenue //= 2
    reconcile.run("live", "test")
    assert "settlement_revenue" in _open_codes()
    assert halt.current(position.profile) == "reducing"


def test_a_market_that_settles_while_an_order_rests_ends_the_position(twin: Twin) -> None:
    profile = world.add_profile("live", mode="live", on_partial="hold_and_complete", complete_seconds=3_600)
    decision = world.decide(profile, twin.row, dict(zip(twin.markets, LIMITS, strict=True)))
    twin.cancel_makers(twin.markets[2], "ask")  # the last leg is gone when its order arrives
    position = executor.execute(decision.pk)
    assert position is not None
    assert (position.status, position.orders.get(status="resting").purpose) == ("completing", "complete")
    twin.finish(twin.markets[0])
    _agrees(twin, position.profile)
    position.refresh_from_db()
    assert position.status == "settled"
    assert position.payout == 10 * DOLLAR
    assert not position.orders.filter(status="resting").exists()


def test_nothing_is_settled_live_without_the_exchanges_record(twin: Twin) -> None:
    position = _buy(twin)
    twin.finish(twin.markets[0])
    twin.exchange.ledger.settlements.clear()
    assert settlement.run() == 0
    position.refresh_from_db()
    assert position.status == "open"


def test_contracts_of_an_ended_position_are_settled_too(twin: Twin) -> None:
    position = _buy(twin)
    Position.objects.filter(pk=position.pk).update(status="aborted")
    twin.finish(twin.markets[0])
    assert settlement.run() == 3
    position.refresh_from_db()
    assert (position.status, position.payout) == ("aborted", 10 * DOLLAR)


def test_legs_that_another_worker_settled_meanwhile_are_no_difference(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs find the same legs; the second goes on after the first has settled them."""
    position = _buy(twin)
    twin.finish(twin.markets[0])
    credits_since = finals.credits_since

    def other_first(*args: Any, **kwargs: Any) -> Any:
        found = credits_since(*args, **kwargs)
        monkeypatch.setattr(finals, "credits_since", credits_since)
        settlement.run()
        return found

    monkeypatch.setattr(finals, "credits_since", other_first)
    settlement.run()
    assert Settlement.objects.filter(leg__position=position).exists()
    assert not _open_codes()


def test_a_market_that_settled_while_the_catalogue_was_behind_is_settled_by_the_comparison(twin: Twin) -> None:
    position = _buy(twin)
    assert reconcile.run("live", "before").differences == 0
    twin.finish(winner=twin.markets[0])
    Market.objects.filter(event=twin.row).update(status="active")
    row = reconcile.run("live", "after")
    position.refresh_from_db()
    assert (row.differences, row.balance_difference, position.status) == (0, 0, "settled")


def test_what_ended_and_cannot_be_booked_is_named_until_it_is(twin: Twin) -> None:
    position = _buy(twin)
    twin.finish(twin.markets[0])
    send, readable = twin.session.send, [False]

    def garbled(request: Any, **kwargs: Any) -> Any:
        answer = send(request, **kwargs)
        if request.url.split("?")[0].endswith("/portfolio/settlements") and not readable[0]:
            answer.raw = BytesIO(b'{"nonsense": 1}')
        return answer

    twin.session.send = garbled  # type: ignore[method-assign]
    reconcile.run("live", "test")
    assert _open_codes() == set(), "a record may take a moment"
    with time_machine.travel(clock.now() + timedelta(seconds=700)):
        reconcile.run("live", "test")
        assert _open_codes() == {"settlement_waiting"}
        assert halt.current(position.profile) == "active"
        named = Discrepancy.objects.filter(resolved_at=None).first()
        assert named is not None
        with pytest.raises(resolution.CannotResolve):
            resolution.resolve(named.pk, actor="ann", reason="again")
        readable[0] = True
        assert resolution.resolve(named.pk, actor="ann", reason="again") == "its contracts are booked"
    assert _open_codes() == set()
    position.refresh_from_db()
    assert position.status == "settled"


def test_a_result_without_its_time_and_without_a_record_waits_no_longer_than_others(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    _buy(twin)
    ended = {ticker: FinalResult("no", 0) for ticker in twin.markets}
    monkeypatch.setattr(finals, "known_finals", lambda tickers, vanished=(): {t: ended[t] for t in tickers})
    settlement.run("live")
    assert _open_codes() == {"settlement_waiting"}
    with time_machine.travel(clock.now() + timedelta(seconds=700)):
        settlement.run("live")
        assert "settlement_count" in _open_codes(), "the exchange has credited nothing: a person decides"


def test_a_record_that_cannot_be_read_is_not_taken_for_none(twin: Twin) -> None:
    position = _buy(twin)
    twin.finish(twin.markets[0])
    send = twin.session.send

    def garbled(request: Any, **kwargs: Any) -> Any:
        answer = send(request, **kwargs)
        if request.url.split("?")[0].endswith("/portfolio/settlements"):
            body = json.loads(answer.content)
            body["settlements"] = [
                {"ticker": 7} if one["ticker"] == twin.markets[0] else one for one in body["settlements"]
            ]
            answer._content = json.dumps(body).encode()
        return answer

    twin.session.send = garbled  # type: ignore[method-assign]
    with time_machine.travel(clock.now() + timedelta(seconds=700)):
        reconcile.run("live", "test")
    assert _open_codes() == {"unreadable", "settlement_waiting"}
    assert [leg.held for leg in position.legs.order_by("market_id")] == [1_000, 0, 0]


def test_contracts_on_paper_in_the_same_market_are_no_part_of_the_exchanges_record(twin: Twin) -> None:
    live = _buy(twin)
    paper = world.add_profile("paper")
    beside = executor.execute(world.decide(paper, twin.row, dict(zip(twin.markets, LIMITS, strict=True))).pk)
    assert beside is not None
    assert beside.status == "open"
    twin.finish(twin.markets[0])
    for mode, ended in (("live", {"live"}), ("sim", {"live", "sim"})):
        settlement.run(mode)
        assert set(Position.objects.filter(status="settled").values_list("mode", flat=True)) == ended
    assert _open_codes() == set()
    _agrees(twin, live.profile)
