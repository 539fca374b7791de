"""Quotes on an account whose collateral is returned: our books follow the exchange's cash, and the whole price stays set aside."""

from __future__ import annotations

from typing import Any

import pytest

from markets.models import Event
from tests.trading import quoted, world
from tests.trading.twin import Twin
from trading.accounting import audit, balance_check, collateral
from trading.closing import settlement
from trading.execution import executor
from trading.models import Denial, Discrepancy, ExchangeAccount, Position
from trading.reconciliation import reconcile
from trading.venues import connection


@pytest.fixture
def twin(settings: Any) -> Twin:
    found = quoted.begin(settings)
    Event.objects.update(collateral_return_type="MECNET")
    found.row.refresh_from_db()
    connection.client().portfolio.cash.set_netting(0, True)
    reconcile.run("live", "test")
    ExchangeAccount.objects.update(collateral="on")
    assert reconcile.run("live", "test").error == ""
    return found


def _agrees(position: Position) -> None:
    """Our books and the exchange's say the same, and what is at work is never more than was set aside at first."""
    position.refresh_from_db()
    assert position.returned == collateral.held_back(position)
    assert audit.totals(position.profile) == []
    assert audit.positions(position.mode) == []
    assert reconcile.run("live", "test").error == ""
    assert not Discrepancy.objects.filter(resolved_at=None).exists()
    assert balance_check.summary(position.profile)["difference"] == 0
    if position.status == "quoting":
        assert position.cost - position.returned + position.reserved == position.decision.max_cost


def test_what_fills_is_returned_in_our_books_as_at_the_exchange_and_stays_set_aside_for_the_rest(twin: Twin) -> None:
    position = quoted.begun(twin, quoted.profile())
    _agrees(position)
    for number, count in ((2, 1_000), (0, 400), (0, 600), (1, 1_000)):
        quoted.sell_no(twin, number, quoted.NO_BIDS[number], (quoted.DEPTH if count != 600 else 0) + count)
        position = quoted.step(twin, position)
        _agrees(position)
    assert (position.status, position.guaranteed) == ("open", True)
    assert position.returned == 20 * world.DOLLAR, "two of three dollars a set, whatever happens"
    assert position.reserved < position.decision.max_cost, "what was set aside for the rest is free again"
    twin.finish(winner=twin.markets[1])
    assert settlement.run() == 3
    position.refresh_from_db()
    assert position.realised == 20_000_000 - 1_000 * sum(quoted.NO_BIDS)
    assert balance_check.summary(position.profile)["difference"] == 0


def test_a_hedged_quote_and_held_orphans_agree_too(twin: Twin) -> None:
    wide: dict[str, Any] = {"orphan_budget": 50 * world.DOLLAR, "quote_min_margin_ppm": 1_000, "count_step": 1}
    position = quoted.begun(twin, quoted.profile(quoting="several", **wide))
    quoted.sell_no(twin, 1, 5_900, 400)
    position = quoted.step(twin, position)
    assert quoted.held(position) == [400] * 3
    _agrees(position)
    quoted.sell_no(twin, 0, 5_600, 300)
    twin.cancel_makers(twin.markets[2], "bid")  # nobody offers the third any more
    for _ in range(4):
        position = quoted.step(twin, position)
    assert (position.status, position.residual_code) == ("open", "orphans_held")
    assert sum(quoted.held(position)) > 1_200
    _agrees(position)


def test_nothing_is_learnt_from_quotes(twin: Twin) -> None:
    ExchangeAccount.objects.update(collateral="learning")
    assert executor.execute(quoted.decision(quoted.profile(), twin).pk) is None
    assert Denial.objects.get().code == "collateral_learning"
