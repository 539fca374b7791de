"""A person chooses how collateral return is used on an account: here and at the exchange, and not while baskets are at work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kalbot.common import clock
from markets.book import Side
from markets.models import Event
from strategies.collateral.funds import Purchase
from strategies.collateral.groups import Choices
from strategies.collateral.words import locked
from tests.trading import live_twin, world
from tests.trading.twin import Twin
from trading.accounting import collateral, collateral_mode
from trading.accounting.collateral_mode import CannotChoose, choose
from trading.execution import executor
from trading.models import Discrepancy, ExchangeAccount, Leg, Position
from trading.reconciliation import reconcile
from trading.venues import connection


def _account(subaccount: int = 0) -> ExchangeAccount:
    return ExchangeAccount.objects.create(subaccount=subaccount, opening=0, balance=0, seen_at=clock.now())


def _refused(account: ExchangeAccount, mode: str, *, trust: bool = False) -> str:
    with pytest.raises(CannotChoose) as refused:
        choose(account, mode, trust=trust)
    account.refresh_from_db()
    return str(refused.value)


def test_the_choice_is_made_at_the_exchange_first_and_learning_begins_from_nothing(twin: Twin) -> None:
    assert reconcile.run("live", "test").error == ""
    account = ExchangeAccount.objects.get()
    ExchangeAccount.objects.update(collateral_evidence=[{"a": 1}], collateral_reading={"yes_counts": True})
    account.refresh_from_db()
    for mode, enabled in (("on", "1"), ("off", "0"), ("learning", "1")):
        said = choose(account, mode)
        account.refresh_from_db()
        assert (account.collateral, twin.exchange.ledger.options["netting:0"]) == (mode, enabled)
        assert said.startswith(f"Collateral return of subaccount 0 is {mode}.")
        assert bool(account.collateral_evidence) is bool(account.collateral_reading) is (mode != "learning")


def test_without_having_learnt_it_is_switched_on_only_for_a_persons_word(twin: Twin) -> None:
    account = _account()
    assert "not been learnt" in _refused(account, "on")
    assert account.collateral == "off"
    assert "netting:0" not in twin.exchange.ledger.options
    choose(account, "on", trust=True)
    account.refresh_from_db()
    assert account.collateral == "on"
    assert "is on already" in _refused(account, "on", trust=True)
    assert "The modes are off" in _refused(account, "perhaps")


def test_while_a_basket_of_the_account_is_at_work_nothing_changes(twin: Twin) -> None:
    account = _account()
    live, paper = world.add_profile("live", mode="live"), world.add_profile("paper")
    other = world.add_profile("other", mode="live", subaccount=7)
    kept = {"event": twin.row, "kind": "all_no", "target_count": 100}
    for profile in (live, paper, other):
        decision = world.decide(profile, twin.row, {twin.markets[0]: 3_000})
        Position.objects.create(profile=profile, mode=profile.mode, decision=decision, status="executing", **kept)
    assert "wait until they are done" in _refused(account, "learning")
    for status, waits in (("open", False), ("closed", False), ("exiting", True), ("unwinding", True)):
        Position.objects.filter(profile=live).update(status=status)
        if waits:
            assert "wait until they are done" in _refused(account, "off" if account.collateral != "off" else "learning")
        else:
            choose(account, "learning" if account.collateral == "off" else "off")
            account.refresh_from_db()


def test_what_the_exchange_does_not_take_is_not_chosen_here(twin: Twin) -> None:
    account = _account()
    connection.use(None)
    with connection.offline():
        assert "does not take the setting" in _refused(account, "learning")
    assert account.collateral == "off"


def test_an_example_is_the_latest_no_basket_of_the_profile_with_two_legs() -> None:
    assert collateral_mode.example() == ""
    profile, other = world.add_profile(), world.add_profile("other")
    event = world.add_event()
    assert collateral_mode.example(profile) == ""
    for number, (owner, kind, legs) in enumerate(
        [(profile, "all_no", 3), (profile, "all_no", 2), (other, "all_no", 1), (profile, "all_yes", 2)]
    ):
        decision = world.decide(owner, event, {"KXT-1-0": 3_000})
        position = Position.objects.create(
            profile=owner,
            mode="sim",
            decision=decision,
            event=event,
            kind=kind,
            target_count=100,
            status="closed",
            cost=1,
        )
        for leg in range(legs):
            side = "no" if kind == "all_no" else "yes"
            Leg.objects.create(
                position=position,
                market_id=f"KXT-1-{leg}",
                side=side,
                sequence=leg,
                target_count=100,
                limit_price=8_000,
                bought_count=100 + number,
                bought_cost=800_000 + number,
            )
    wanted = [Purchase(f"KXT-1-{leg}", Side.NO, 101, 800_001) for leg in range(2)]  # type: ignore[arg-type]  # money
    assert collateral_mode.example(profile) == f"KXT-1: {locked(wanted)}"
    assert collateral_mode.example() == f"KXT-1: {locked(wanted)}", "the latest of several legs"
    Leg.objects.filter(position__profile=other).delete()
    Position.objects.filter(profile=other).delete()
    assert collateral_mode.example() == collateral_mode.example(profile)
    Leg.objects.filter(position__decision__profile=profile, position__kind="all_no", sequence=1).update(bought_count=0)
    two = [Purchase(f"KXT-1-{leg}", Side.NO, 100, 800_000) for leg in (0, 2)]  # type: ignore[arg-type]  # money
    assert collateral_mode.example(profile) == f"KXT-1: {locked(two)}", (
        "of the latest one leg was bought, of the one before two"
    )
    Leg.objects.filter(position__kind="all_no", sequence=2).update(bought_count=0)
    assert collateral_mode.example(profile) == ""


def test_before_the_first_no_basket_the_choice_is_explained_with_a_usual_one() -> None:
    said = collateral_mode.usual_example()
    assert "Locks $4.86 until settlement." in said
    assert "($0.14 come free)" in said
    assert "would need up to $0.93" in said


def test_a_cycle_counts_on_returns_only_where_they_have_been_learnt_or_are_trusted(twin: Twin) -> None:
    account, profile = _account(), world.add_profile("live", mode="live")
    assert collateral.counted_on(profile).now() is None
    ExchangeAccount.objects.update(collateral_reading={"whole_cents": True})
    for mode, counted in (("off", None), ("learning", None), ("on", Choices(whole_cents=True))):
        ExchangeAccount.objects.filter(pk=account.pk).update(collateral=mode)
        assert collateral.counted_on(profile).now() == counted
        assert collateral.counted_on(world.add_profile(f"other {mode}", mode="live", subaccount=7)).now() is None


def _while_the_exchange_answers(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> None:
    """``do`` happens once, during the request to the exchange."""
    cash = type(connection.client().portfolio.cash)
    real, done = cash.set_netting, list[object]()

    def slow(self: Any, *args: Any) -> Any:
        answer = real(self, *args)
        if not done:
            done.append(do())
        return answer

    monkeypatch.setattr(cash, "set_netting", slow)


@pytest.mark.parametrize(("begins", "wanted", "chosen"), [("off", "learning", "on"), ("learning", "on", "off")])
def test_who_chooses_second_is_refused_and_the_exchange_has_what_is_stored(
    twin: Twin, begins: str, wanted: str, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two people at once, or learning that ends meanwhile."""
    account = _account()
    ExchangeAccount.objects.update(collateral=begins, collateral_reading={"whole_cents": True})
    account.refresh_from_db()

    def other() -> None:
        ExchangeAccount.objects.update(collateral=chosen)

    _while_the_exchange_answers(monkeypatch, other)
    assert "changed meanwhile" in _refused(account, wanted)
    assert (account.collateral, account.collateral_reading) == (chosen, {"whole_cents": True})
    assert twin.exchange.ledger.options["netting:0"] == ("0" if chosen == "off" else "1")


@pytest.mark.parametrize(("begins", "wanted"), [("off", "on"), ("off", "learning"), ("on", "off")])
def test_a_basket_that_begins_while_the_choice_is_made_keeps_a_clear_rule(
    twin: Twin, begins: str, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On: refused, and the exchange set back, for the basket counts on nothing. Off: here first, so that none counts on what ends."""
    account = _account()
    ExchangeAccount.objects.update(collateral=begins, collateral_reading={"whole_cents": True})
    account.refresh_from_db()
    profile = world.add_profile("live", mode="live")
    event = {"event": twin.row, "kind": "all_no", "target_count": 100}
    seen: list[str] = []

    def admitted() -> None:
        seen.append(ExchangeAccount.objects.get().collateral)
        decision = world.decide(profile, twin.row, {twin.markets[0]: 3_000})
        Position.objects.create(profile=profile, mode="live", decision=decision, status="executing", **event)

    _while_the_exchange_answers(monkeypatch, admitted)
    if wanted == "off":
        choose(account, wanted)
        account.refresh_from_db()
        assert (seen, account.collateral) == (["off"], "off")
    else:
        assert "wait until they are done" in _refused(account, wanted)
        assert (seen, account.collateral) == (["off"], "off")
    assert twin.exchange.ledger.options["netting:0"] == "0"


def test_an_exchange_that_does_not_take_off_leaves_it_on(twin: Twin) -> None:
    account = _account()
    ExchangeAccount.objects.update(collateral="on")
    account.refresh_from_db()
    connection.use(None)
    with connection.offline():
        assert "does not take the setting" in _refused(account, "off")
    assert account.collateral == "on"


def test_a_basket_that_is_bought_whole_during_the_request_is_named_by_what_was_returned_for_it(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts on nothing here, and the exchange returns for it already: new risk stops, with the amount."""
    twin = live_twin.connect(settings, Twin(), [(2_600, 2_800), (4_800, 5_000), (4_800, 5_000)], 10_000)
    Event.objects.update(collateral_return_type="MECNET")
    twin.row.refresh_from_db()
    assert reconcile.run("live", "test").error == ""
    profile, limits = (
        world.add_profile("live", mode="live"),
        dict(zip(twin.markets, (7_400, 5_200, 5_200), strict=True)),
    )
    decision = world.decide(profile, twin.row, limits, 100, kind="all_no", side="no", floor=2 * world.DOLLAR)
    _while_the_exchange_answers(monkeypatch, lambda: executor.execute(decision.pk))
    choose(ExchangeAccount.objects.get(), "on", trust=True)
    position = Position.objects.get()
    assert (position.status, position.returned) == ("open", 0)
    reconcile.run("live", "test")
    reconcile.run("live", "test")
    assert "$2.00 more than ours" in Discrepancy.objects.get(code="cash", resolved_at=None).theirs
