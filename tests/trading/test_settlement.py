"""Settlement: final only, yes, no, scalar and void, leg by leg, amended by entries."""

from __future__ import annotations

import pytest

from kalbot.common import clock
from markets.models import Market
from tests.trading import world
from trading.accounting import audit, balance_check, ledger, results
from trading.closing import finals, settlement
from trading.closing.finals import FinalResult
from trading.execution import executor
from trading.models import LedgerTransaction, Position, Settlement

ASKS = [(2_400, 3_000), (2_800, 3_200), (2_600, 3_100)]
LIMITS = {"KXT-1-0": 3_000, "KXT-1-1": 3_200, "KXT-1-2": 3_100}


def _open(side: str = "yes", count: int = 1_000) -> Position:
    profile, event = world.add_profile(), world.add_event()
    world.publish(event.ticker, world.quoted(event, ASKS))
    limits = LIMITS if side == "yes" else {"KXT-1-0": 7_600, "KXT-1-1": 7_200}
    kind = "all_yes" if side == "yes" else "coverage"
    decision = world.decide(profile, event, limits, count, kind=kind, side=side, conditional=30_000 * count)
    position = executor.execute(decision.pk)
    assert position is not None
    assert position.status == "open"
    return position


def _final(ticker: str, result: str, value_e6: int) -> None:
    Market.objects.filter(ticker=ticker).update(status="finalized", result=result, settlement_value_e6=value_e6)


@pytest.mark.parametrize(
    ("side", "count", "final", "paid"),
    [
        ("yes", 725, FinalResult("yes", 1_000_000), 7_250_000),
        ("no", 725, FinalResult("yes", 1_000_000), 0),
        ("no", 725, FinalResult("no", 0), 7_250_000),
        ("yes", 725, FinalResult("scalar", 333_300), 2_410_000),
        ("no", 725, FinalResult("scalar", 333_300), 4_830_000),
        ("yes", 100, FinalResult("scalar", 500_000), 500_000),
    ],
)
def test_payout_of_each_result(side: str, count: int, final: FinalResult, paid: int) -> None:
    assert settlement.payout(side, count, final) == paid


def test_legs_settle_one_by_one_as_they_become_final() -> None:
    position = _open()
    _final("KXT-1-0", "no", 0)
    assert settlement.run() == 1
    position.refresh_from_db()
    assert position.status == "open"
    assert position.realised == -position.legs.get(market_id="KXT-1-0").settlements.get().cost
    assert balance_check.summary(position.profile)["difference"] == 0
    _final("KXT-1-1", "yes", 1_000_000)
    _final("KXT-1-2", "no", 0)
    assert settlement.run() == 2
    assert settlement.run() == 0
    position.refresh_from_db()
    assert position.status == "settled"
    assert balance_check.summary(position.profile)["difference"] == 0


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2]])
def test_a_sure_basket_settled_leg_by_leg_is_no_drawdown(order: list[int]) -> None:
    """The winner's leg may be booked first: what stands between two legs of one basket is no result to fall from."""
    position = _open()
    for number in order:
        _final(f"KXT-1-{number}", *(("yes", 1_000_000) if number == order[0] else ("no", 0)))
        assert settlement.run() == 1
    position.refresh_from_db()
    assert position.realised > 0
    balance = ledger.balance_of(position.profile)
    assert balance.best_equity == position.realised
    assert results.result(position.profile, None, clock.now()).drawdown == 0


def test_the_best_result_is_of_whole_baskets_and_falls_for_a_loss_alone() -> None:
    first = _open()
    for ticker, result in (("KXT-1-0", "yes"), ("KXT-1-1", "no"), ("KXT-1-2", "no")):
        _final(ticker, result, 1_000_000 if result == "yes" else 0)
    settlement.run()
    first.refresh_from_db()
    Market.objects.filter(ticker="KXT-1-0").update(result="no", settlement_value_e6=0)
    settlement.run()
    first.refresh_from_db()
    balance = ledger.balance_of(first.profile)
    assert first.realised < 0
    assert balance.best_equity > 0, "it was that much before the amendment"
    assert balance.best_equity + balance.realised == balance.best_equity - first.realised


def test_an_amendment_for_the_better_is_a_best_result_once_its_basket_has_ended() -> None:
    position = _open()
    _final("KXT-1-0", "no", 0)
    settlement.run()
    _final("KXT-1-0", "yes", 1_000_000)
    settlement.run()
    position.refresh_from_db()
    balance = ledger.balance_of(position.profile)
    assert (position.status, position.realised > 0, balance.best_equity) == ("open", True, 0), "others are held still"
    for ticker in ("KXT-1-0", "KXT-1-1", "KXT-1-2"):
        _final(ticker, "no", 0)
        settlement.run()
    position.refresh_from_db()
    balance = ledger.balance_of(position.profile)
    assert (position.status, position.realised < 0) == ("settled", True)
    before = balance.best_equity
    _final("KXT-1-1", "yes", 1_000_000)
    settlement.run()
    position.refresh_from_db()
    assert ledger.balance_of(position.profile).best_equity == position.realised > before


def test_void_pays_what_each_market_says_and_may_lose() -> None:
    position = _open()
    for ticker in LIMITS:
        _final(ticker, "scalar", 200_000)
    settlement.run()
    position.refresh_from_db()
    assert position.payout == 3 * 2 * world.DOLLAR
    assert position.realised < 0
    assert balance_check.summary(position.profile)["difference"] == 0


def test_no_side_is_paid_the_rest_of_the_dollar() -> None:
    position = _open(side="no")
    _final("KXT-1-0", "yes", 1_000_000)
    _final("KXT-1-1", "no", 0)
    settlement.run()
    position.refresh_from_db()
    assert (position.status, position.payout) == ("settled", 10 * world.DOLLAR)


def test_amended_result_is_reversed_by_entries_and_booked_again() -> None:
    position = _open()
    for ticker, result, value in (("KXT-1-0", "no", 0), ("KXT-1-1", "yes", 1_000_000), ("KXT-1-2", "no", 0)):
        _final(ticker, result, value)
    settlement.run()
    before = LedgerTransaction.objects.count()
    _final("KXT-1-0", "yes", 1_000_000)
    _final("KXT-1-1", "no", 0)
    settlement.run()
    position.refresh_from_db()
    assert position.status == "settled"
    assert position.payout == 10 * world.DOLLAR
    assert LedgerTransaction.objects.count() == before + 4
    assert Settlement.objects.filter(reversed_at=None).count() == 3
    assert Settlement.objects.count() == 5
    assert balance_check.summary(position.profile)["difference"] == 0
    assert audit.totals(position.profile) == []
    assert settlement.run() == 0
    memos = set(LedgerTransaction.objects.filter(kind="reversal").values_list("memo", flat=True))
    assert memos == {"KXT-1-0 no at $0.00", "KXT-1-1 yes at $1.00"}, "in dollars, as people read them"
    notes = set(position.events.filter(reason__contains="amended").values_list("reason", flat=True))
    assert "KXT-1-0 was amended: YES pays $1.00, not $0.00" in notes


@pytest.mark.parametrize("status", ["closed", "determined", "disputed", "amended", "inactive"])
def test_nothing_is_booked_before_it_is_final(status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _open()
    monkeypatch.setattr(finals, "_fetched", lambda tickers: {})
    Market.objects.update(status=status, result="yes", settlement_value_e6=1_000_000)
    assert settlement.run() == 0
    assert not Settlement.objects.exists()
