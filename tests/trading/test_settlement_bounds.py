"""What a settlement pays, to the micro-dollar; when a record that is missing says nothing; which results are final."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine

from markets.models import Market
from tests.trading import world
from trading import ended_beside
from trading.accounting import balance_check, collateral, ledger
from trading.accounting.booking import book_fill
from trading.accounting.fill_reports import FillReport
from trading.closing import exit_counts, exits, finals, settlement, unbooked
from trading.closing.finals import FinalResult
from trading.denials import DenialCode, Denied
from trading.execution import admission
from trading.models import Discrepancy, LedgerEntry, Leg, Order, Position, Settlement
from trading.venues import connection

NOW = datetime.fromisoformat("2026-11-20T12:00:00+00:00")
MOMENT = timedelta(microseconds=1)


@pytest.fixture(autouse=True)
def _stopped() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def test_yes_pays_the_value_no_the_rest_of_a_dollar_and_a_scalar_is_cut_to_cents() -> None:
    cases = (
        ("yes", 250, "yes", 1_000_000, 2_500_000),
        ("no", 250, "yes", 1_000_000, 0),
        ("yes", 250, "no", 0, 0),
        ("no", 250, "no", 0, 2_500_000),
        ("yes", 1, "scalar", 333_300, 0),
        ("yes", 300, "scalar", 333_300, 990_000),
        ("no", 300, "scalar", 333_300, 2_000_000),
        ("yes", 3, "yes", 333_300, 9_999),
        ("yes", 100, "void", 505_000, 500_000),
    )
    for side, count, result, value, paid in cases:
        assert settlement.payout(side, count, FinalResult(result, value)) == paid, (side, count, result)


def _held(number: int = 1, mode: str = "sim") -> Leg:
    """300 bought at 0.30 with a fee of 100 micro-dollars, and nothing else."""
    profile = world.add_profile(f"profile-{number}", mode=mode)
    order = world.add_order(number, profile, status="done")
    ledger.ensure_funded(profile)
    assert book_fill(order.pk, FillReport("t", 3_000, 300, 100, True, 0), "test")
    Position.objects.filter(pk=order.position_id).update(status="open")
    return Leg.objects.get(pk=order.leg_id)


def _entries(kind: str) -> list[tuple[str, int]]:
    rows = LedgerEntry.objects.filter(transaction__kind=kind).order_by("id")
    return list(rows.values_list("account", "amount"))


def test_a_part_is_settled_at_its_share_of_the_cost_and_the_last_contract_takes_the_rest() -> None:
    leg = _held()
    assert settlement.settle_leg(leg.pk, FinalResult("yes", 1_000_000), 100)
    first = Settlement.objects.get()
    assert (first.version, first.count, first.payout, first.cost, first.fees) == (1, 100, 1_000_000, 300_033, 33)
    assert _entries("settlement") == [
        ("cash", 1_000_000),
        ("position_cost", -300_000),
        ("fees", -33),
        ("realised", 300_033 - 1_000_000),
    ]
    assert settlement.settle_leg(leg.pk, FinalResult("yes", 1_000_000), 999)
    second = Settlement.objects.get(version=2)
    assert (second.count, second.payout, second.cost, second.fees) == (200, 2_000_000, 600_067, 67)
    position = Position.objects.get()
    assert (position.status, position.payout, position.realised) == ("settled", 3_000_000, 3_000_000 - 900_100)
    leg.refresh_from_db()
    assert (leg.settled_count, leg.payout, leg.open_cost, leg.open_fees) == (300, 3_000_000, 0, 0)
    assert not settlement.settle_leg(leg.pk, FinalResult("yes", 1_000_000))
    assert settlement.rebook(first.pk, FinalResult("no", 0))
    assert _entries("reversal") == [
        ("cash", -1_000_000),
        ("position_cost", 300_000),
        ("fees", 33),
        ("realised", 1_000_000 - 300_033),
    ]
    third = Settlement.objects.get(version=3)
    assert (third.count, third.payout, third.cost, third.fees, third.reversed_at) == (100, 0, 300_033, 33, None)
    first.refresh_from_db()
    assert first.reversed_at == NOW
    assert not settlement.rebook(first.pk, FinalResult("yes", 1_000_000)), "it was taken back already"
    position.refresh_from_db()
    assert (position.payout, position.realised) == (2_000_000, 2_000_000 - 900_100)
    assert balance_check.summary(position.profile)["difference"] == 0


def test_only_a_market_that_says_otherwise_is_rebooked_and_only_in_its_mode() -> None:
    leg = _held()
    settlement.settle_leg(leg.pk, FinalResult("yes", 1_000_000))
    rows = Market.objects.filter(pk=leg.market_id)
    rows.update(status="finalized", result="no", settlement_value_e6=0)
    for changes in ({"status": "determined"}, {"settlement_value_e6": None}, {"settlement_value_e6": 1_000_000}):
        rows.update(**{"status": "finalized", "settlement_value_e6": 0, **changes})
        assert settlement.amend() == 0, changes
    rows.update(status="finalized", settlement_value_e6=0)
    assert settlement.amend("live") == 0
    assert settlement.amend("sim") == 1
    assert settlement.amend() == 0
    assert list(Settlement.objects.order_by("version").values_list("result", "payout")) == [
        ("yes", 3_000_000),
        ("no", 0),
    ]


def test_a_record_that_is_missing_says_nothing_until_the_limit_is_over(settings: Any) -> None:
    settings.KALBOT_WAITING_LIMIT_SECONDS = 60
    limit = timedelta(seconds=60)
    for at, is_late in ((NOW - limit - MOMENT, True), (NOW - limit, False), (NOW, False), (None, False)):
        assert unbooked.is_late(("A", 0), FinalResult("yes", 1, at)) is is_late, at
    found = Discrepancy.objects.create(code=unbooked.CODE, key="0:A", mode="live")
    for seen, is_late in ((NOW - limit - MOMENT, True), (NOW - limit, False)):
        Discrepancy.objects.filter(pk=found.pk).update(first_seen_at=seen)
        assert unbooked.is_late(("A", 0), FinalResult("yes", 1, None)) is is_late, "since it was named"


def test_a_position_ends_when_nothing_is_held_and_no_order_is_open() -> None:
    leg = _held()
    order = Order.objects.get()
    settlement.settle_leg(leg.pk, FinalResult("no", 0))
    cases = (("pending", "done"), ("open", "resting"), ("closed", "done"), ("exiting", "done"))
    for status, open_order in cases:
        ends = status == "exiting"
        Position.objects.update(status=status, close_type="", ended_at=None)
        Order.objects.filter(pk=order.pk).update(status=open_order)
        settlement._end(Position.objects.get())
        assert (Position.objects.get().close_type == "settled") is ends, (status, open_order)
    Position.objects.update(status="open")
    assert [one.pk for one in settlement._without_contracts(None)] == [leg.position_id]
    assert settlement._without_contracts("live") == []
    Settlement.objects.update(reversed_at=NOW)
    assert settlement._without_contracts(None) == []


def test_results_are_final_of_markets_that_are_finalized_with_a_value_and_others_are_fetched_once_they_are_over() -> (
    None
):
    event = world.add_event(outcomes=5)
    rows = event.markets.order_by("ticker")
    values: list[dict[str, Any]] = [
        {"status": "finalized", "result": "yes", "settlement_value_e6": 1_000_000, "settled_at": NOW},
        {"status": "finalized", "settlement_value_e6": None},
        {"status": "active", "close_time": NOW},
        {"status": "active", "close_time": NOW + MOMENT},
        {"status": "active", "close_time": None},
    ]
    for row, columns in zip(rows, values, strict=True):
        Market.objects.filter(pk=row.pk).update(**columns)
    tickers = [row.pk for row in rows]
    fetched: list[str] = []
    page = SimpleNamespace(markets=[])

    class Catalogue:
        def markets(self, tickers: list[str]) -> list[Any]:
            fetched.extend(tickers)
            return [page]

        historical_markets = markets

    connection.use(SimpleNamespace(catalogue=Catalogue()))  # type: ignore[arg-type]  # what is fetched is all that matters
    wanted = {tickers[0]: FinalResult("yes", 1_000_000, NOW)}
    assert finals.known_finals(tickers) == wanted
    assert sorted(set(fetched)) == tickers[1:3]
    fetched.clear()
    page.markets = [
        SimpleNamespace(
            ticker=tickers[3], status="finalized", result="no", settlement_value=3_000, settlement_time=NOW
        ),
        SimpleNamespace(
            ticker=tickers[1], status="determined", result="no", settlement_value=3_000, settlement_time=NOW
        ),
        SimpleNamespace(ticker=tickers[2], status="finalized", result="no", settlement_value=None, settlement_time=NOW),
    ]
    found = finals.known_finals(tickers, vanished=[tickers[3]])
    assert found == wanted | {tickers[3]: FinalResult("no", 300_000, NOW)}
    assert sorted(fetched) == tickers[1:4], "what is listed is not fetched from the history"
    connection.use(None)
    with connection.offline():
        assert finals.known_finals(tickers) == wanted


def test_what_is_returned_may_change_at_a_settlement_by_any_order_of_the_events_markets() -> None:
    leg = _held()
    for number, (held, settled) in enumerate(((500, 0), (40, 60))):
        Leg.objects.create(
            position=leg.position,
            market_id=f"KXT-1-{number + 1}",
            side="no",
            sequence=number + 1,
            target_count=1,
            limit_price=1,
            bought_count=held + settled,
            settled_count=settled,
        )
    leg = Leg.objects.select_related("position").get(pk=leg.pk)
    assert collateral.changes_at_settlement(leg, "yes") == []
    for whole_cents, width in ((False, 1), (True, 10_000)):
        leg.position.collateral = {"whole_cents": whole_cents}
        around = [range(10_000 * count - width + 1, 10_000 * count + width) for count in (0, 200)]
        assert collateral.changes_at_settlement(leg, "yes") == around
        below = [range(10_000 * count - width + 1, 10_000 * count + width) for count in (-300, -100, 0)]
        assert collateral.changes_at_settlement(leg, "no") == below
        assert collateral.changes_at_settlement(leg, "scalar") == [range(-900 * 10_000, 1)]


def test_a_family_is_not_bought_where_what_is_returned_for_it_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    event = world.add_event()
    world.publish(event.ticker, world.quoted(event, [(2_900, 3_000), (3_100, 3_200), (3_000, 3_100)]))
    decision = world.decide(world.add_profile(), event, {"KXT-1-0": 3_000, "KXT-1-1": 3_200, "KXT-1-2": 3_100})

    def refuse(*args: Any) -> None:
        raise Denied(DenialCode.COLLATERAL_FAMILY)

    monkeypatch.setattr(collateral, "check_family", refuse)
    assert admission.admit(decision) is None
    assert decision.denial.code == "collateral_family"


def test_only_what_is_quoted_is_withdrawn() -> None:
    leg = _held()
    for status, quoting, withdrawn, code in (
        ("open", "one_leg", "", "not_quoted"),
        ("quoting", "", "", "not_quoted"),
        ("quoting", "one_leg", "ann: enough", "not_quoted"),
        ("pending", "one_leg", "", ""),
        ("completing", "one_leg", "", ""),
        ("quoting", "one_leg", "", ""),
    ):
        Position.objects.update(status=status, quoting=quoting, quote_withdrawn=withdrawn)
        try:
            exits.withdraw_quote(leg.position_id, actor="bob", reason="no")
        except exits.CannotExit as refused:
            assert refused.code == code  # noqa: PT017  # both ends of one table
        else:
            assert code == ""
            assert Position.objects.get().quote_withdrawn == "bob: no"


def test_least_prices_are_kept_of_legs_that_may_still_fill_and_of_no_others() -> None:
    leg = _held()
    world.publish("KXT-1", {f"KXT-1-{n}": (((2_900, 900),), ((6_800, 900),)) for n in range(3)})
    for number in (1, 2):
        Leg.objects.create(
            position=leg.position,
            market_id=f"KXT-1-{number}",
            side="yes",
            sequence=number,
            target_count=1,
            limit_price=3_000,
        )
    Position.objects.update(status="quoting", quoting="all_legs", guaranteed=False)
    named = {("KXT-1-0", "yes"): 2_500, ("KXT-1-1", "yes"): 1_111, ("KXT-9-9", "yes"): 2_222}
    request = exits.request_exit(
        position_id=leg.position_id, actor="ann", reason="out", least_prices=named, below_floor="now"
    )
    kept = {(row["ticker"], row["side"]): row["price"] for row in request.least_prices}
    assert kept == {("KXT-1-0", "yes"): 2_500, ("KXT-1-1", "yes"): 1_111, ("KXT-1-2", "yes"): 2_800}


def test_a_share_of_less_than_a_step_sells_nothing_even_of_what_is_beyond_the_baskets() -> None:
    legs = [
        Leg(pk=n, market_id=f"M{n}", side="yes", target_count=600, bought_count=held)
        for n, held in ((1, 600), (2, 700))
    ]
    assert exit_counts.of_share(legs, 600, 1, 100) == {}
    assert exit_counts.left_baskets([], 600, {}) == 0


@pytest.mark.parametrize(
    ("columns", "value", "settled", "counts"),
    [
        ({"sold_count": 1_000}, 1_000_000, False, True),
        ({"sold_count": 1_000}, None, False, False),
        ({"sold_count": 400}, 1_000_000, False, False),
        ({"settled_count": 1_000}, 1_000_000, False, False),
        ({"sold_count": 400, "settled_count": 600}, 1_000_000, True, False),
    ],
)
def test_of_a_leg_that_was_sold_whole_the_markets_value_counts_and_of_any_other_what_is_booked(
    columns: dict[str, int], value: int | None, settled: bool, counts: bool
) -> None:
    market = Market(ticker="A", status="finalized", settlement_value_e6=value)
    leg = Leg(market=market, bought_count=1_000, **columns)
    assert ended_beside.paid_by_sold([leg], ["A"] if settled else []) == ({"A": value} if counts else {})
