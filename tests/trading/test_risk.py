"""Every limit refuses with its own code, before anything is sent."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from kalbot.common import cache, clock
from kalbot.common.db import pipeline
from markets.models import Certificate, Event, Market
from markets.terms.grades import Grade
from strategies.models import Decision, Profile
from tests.trading import world
from tests.trading.twin import Twin
from trading.accounting import ledger, shard_cash
from trading.closing import exits
from trading.denials import Denied
from trading.execution import executor
from trading.limits import day, facts, risk
from trading.limits.intent import Intent
from trading.models import (
    Account,
    CapitalChange,
    ExchangeAccount,
    Lock,
    Order,
    Position,
    ProfileBalance,
    Reconciliation,
    TradingState,
)
from trading.safety import halt
from trading.venues import connection

ASKS = [(2_400, 3_000), (2_800, 3_200), (2_600, 3_100)]
LIMITS = {"KXT-1-0": 3_000, "KXT-1-1": 3_200, "KXT-1-2": 3_100}


def _ready(**columns: Any) -> tuple[Profile, Event, Decision]:
    profile, event = world.add_profile(**columns), world.add_event()
    world.publish(event.ticker, world.quoted(event, ASKS))
    return profile, event, world.decide(profile, event, LIMITS)


def _code(decision: Decision) -> str:
    assert executor.execute(decision.pk) is None
    assert not Order.objects.exists()
    decision.refresh_from_db()
    assert not re.search(r"\d{5,}", decision.denial.detail), "amounts are dollars for people, never micro-dollars"
    return decision.denial.code


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"capital": 5 * world.DOLLAR}, "capital"),
        ({"max_per_event": world.DOLLAR}, "max_per_event"),
        ({"max_per_position": world.DOLLAR}, "max_per_position"),
        ({"max_per_leg": world.DOLLAR}, "max_per_leg"),
        ({"max_open_positions": 0}, "max_open_positions"),
        ({"max_orders_per_minute": 2}, "orders_per_minute"),
        ({"kinds": ["all_no"]}, "kind"),
        ({"is_active": False}, "inactive_profile"),
        ({"blackout": [["00:00", "23:59:59.999999"]]}, "blackout"),
        ({"blackout": ["nonsense"]}, "blackout"),
        ({"min_seconds_to_close": 3 * 86_400}, "too_close"),
        ({"leg_risk_budget": 1_000}, "leg_risk"),
        ({"min_profit": 2 * world.DOLLAR}, "margin_gone"),
    ],
)
def test_limit_of_the_profile_refuses(columns: dict[str, Any], code: str) -> None:
    _, _, decision = _ready(**columns)
    assert _code(decision) == code


def test_halted_and_reducing_take_no_new_basket() -> None:
    profile, _, decision = _ready()
    halt.set_state(state="reducing", actor="ann", reason="checking", profile=profile)
    assert _code(decision) == "reducing"


def test_absent_global_state_is_halted() -> None:
    _, _, decision = _ready()
    TradingState.objects.all().delete()
    assert halt.current() == "halted"
    assert _code(decision) == "halted"


def test_unreadable_state_is_halted() -> None:
    TradingState.objects.update(state="nonsense")
    assert halt.current() == "halted"


def test_stricter_of_global_and_profile_counts() -> None:
    profile = world.add_profile()
    halt.set_state(state="halted", actor="ann", reason="x", profile=profile)
    assert halt.current(profile) == "halted"
    assert halt.current() == "active"
    assert not halt.tighten(state="reducing", actor="bot", reason="y", profile=profile)
    assert halt.current(profile) == "halted"


def test_lock_refuses_until_it_lapses_or_is_deleted() -> None:
    _, _, decision = _ready()
    lock = Lock.objects.create(code="x", reason="y", until=timezone.now() + timedelta(minutes=1))
    assert _code(decision) == "locked"
    decision.denial.delete()
    lock.delete()
    assert executor.execute(decision.pk) is not None


def test_daily_loss_and_drawdown_stop() -> None:
    profile, _, decision = _ready(max_daily_loss=world.DOLLAR)
    _lose(profile, 2 * world.DOLLAR)
    assert _code(decision) == "daily_loss"
    Profile.objects.update(max_daily_loss=100 * world.DOLLAR, max_drawdown=2 * world.DOLLAR)
    decision.denial.delete()
    assert _code(decision) == "drawdown"


def test_drawdown_is_measured_from_the_best() -> None:
    profile, _, _ = _ready()
    _lose(profile, -5 * world.DOLLAR)
    _lose(profile, 3 * world.DOLLAR)
    balance = ProfileBalance.objects.get(profile=profile)
    assert balance.best_equity == 5 * world.DOLLAR
    assert balance.best_equity + balance.realised == 3 * world.DOLLAR


def _lose(profile: Profile, amount: int) -> None:
    change = CapitalChange.objects.create(profile=profile, amount=-amount, actor="test")
    ledger.post(
        profile=profile,
        kind="deposit",
        key=f"test:{change.pk}",
        capital_change=change,
        entries=[(Account.CASH, -amount), (Account.REALISED, amount)],
    )


@pytest.mark.parametrize(
    ("publish", "code"),
    [
        ({"lease": None}, "price_dead_epoch"),
        ({"lease": "epoch-2"}, "price_dead_epoch"),
        ({"age_ms": 60_000}, "price_stale"),
        ({"statuses": {"KXT-1-2": "inactive"}}, "price_not_active"),
    ],
)
def test_price_that_may_not_be_traded_on_refuses(publish: dict[str, Any], code: str) -> None:
    _, event, decision = _ready()
    world.publish(event.ticker, world.quoted(event, ASKS), **publish)
    assert _code(decision) == code


def test_no_prices_at_all_refuse() -> None:
    _, _, decision = _ready()
    cache.prices().flushdb()
    assert _code(decision) == "price_no_book"


def test_leg_without_an_ask_is_never_left_out() -> None:
    _, event, decision = _ready()
    books = dict(world.quoted(event, ASKS))
    books["KXT-1-2"] = (books["KXT-1-2"][0], ())
    world.publish(event.ticker, books)
    assert _code(decision) == "depth"


def test_revoked_certificate_and_changed_rules_refuse_all_yes() -> None:
    _, event, decision = _ready()
    Certificate.objects.update(status="void")
    assert _code(decision) == "certificate"
    decision.denial.delete()
    Certificate.objects.update(status="granted")
    Event.objects.filter(pk=event.pk).update(rules_hash="other")
    assert _code(decision) == "rules_changed"


def test_the_least_grade_of_the_profile_is_checked_again_before_an_order() -> None:
    profile, _, decision = _ready()
    Decision.objects.update(grade=Grade.IF_DETERMINED.value)
    assert Profile.objects.filter(pk=profile.pk).update(least_grade=Grade.GUARANTEED.value)
    assert _code(decision) == "least_grade"
    decision.denial.delete()
    Profile.objects.filter(pk=profile.pk).update(least_grade=Grade.IF_DETERMINED.value)
    assert executor.execute(decision.pk) is not None


def test_a_basket_that_lacks_nothing_more_still_knows_its_limits() -> None:
    """Every leg is bought, some of it not booked yet: there is nothing to price, and that is no reason to wait."""
    profile, _, decision = _ready()
    position = executor.execute(decision.pk)
    assert position is not None
    legs = {(leg.market_id, leg.side): 0 for leg in position.legs.all()}
    whole = Intent(profile, decision, 0, legs, position, completes=True)
    assert whole.priced(0, {}).facts.mode == whole.facts.mode == "sim"


def test_all_no_needs_an_exclusive_event() -> None:
    profile, event, _ = _ready()
    Event.objects.update(mutually_exclusive=False)
    decision = world.decide(profile, event, {"KXT-1-0": 7_600, "KXT-1-1": 7_200}, kind="all_no", side="no")
    assert _code(decision) == "not_exclusive"


def test_legs_on_two_shards_refuse() -> None:
    _, _, decision = _ready()
    Market.objects.filter(ticker="KXT-1-0").update(exchange_index=2)
    assert _code(decision) == "shards"


def test_unknown_fee_type_refuses() -> None:
    _, event, decision = _ready()
    event.series.fee_type = "flat"
    event.series.save(update_fields=["fee_type"])
    assert _code(decision) == "fee_unknown"


def test_old_decision_expires() -> None:
    _, _, decision = _ready()
    Decision.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    assert _code(decision) == "expired"


def test_second_position_on_an_event_is_refused_for_the_same_profile_only() -> None:
    profile, event, decision = _ready()
    assert executor.execute(decision.pk) is not None
    again = world.decide(profile, event, LIMITS)
    assert executor.execute(again.pk) is None
    assert again.denial.code == "event_taken"
    other = world.decide(world.add_profile("other"), event, LIMITS)
    assert executor.execute(other.pk) is not None


def test_cooldown_after_an_end() -> None:
    profile, event, decision = _ready(cooldown_seconds=30)
    position = executor.execute(decision.pk)
    Position.objects.update(status="closed", ended_at=timezone.now())
    assert position is not None
    again = world.decide(profile, event, LIMITS)
    assert executor.execute(again.pk) is None
    assert again.denial.code == "cooldown"


def _facts(decision: Decision) -> facts.Facts:
    (rows,) = pipeline.rows_of(facts.reading(decision, clock.now(), None))
    return facts.of_rows(decision, rows)


def test_cash_on_another_shard_does_not_pay(settings: Any) -> None:
    settings.KALBOT_LIVE = True
    world.exchange_open()
    live = world.add_profile("live", mode="live")
    event = world.add_event(exchange_index=2)
    connection.use(Twin("KXU-1").client())
    connection.measure_clock()
    decision = world.decide(live, event, {"KXT-1-0": 3_000}, kind="coverage")
    ledger.ensure_funded(live)
    Reconciliation.objects.create(started_at=clock.now(), finished_at=clock.now(), mode="live", trigger="test")
    intent = Intent(live, decision, 5_000_000, {("KXT-1-0", "yes"): 5_000_000})
    with pytest.raises(Denied) as denied:
        risk.limits(intent)
    assert denied.value.code == "shard_cash", "it is not known yet what cash there is"
    account = ExchangeAccount.objects.create(
        opening=0, balance=9_000_000, shards={"0": 9_000_000, "2": 4_999_999}, seen_at=clock.now()
    )
    with pytest.raises(Denied) as denied:
        risk.limits(intent)
    assert denied.value.code == "shard_cash"
    ExchangeAccount.objects.filter(pk=account.pk).update(shards={"0": 4_000_000, "2": 5_000_000})
    risk.limits(intent)
    other = world.decide(live, event, {"KXT-1-1": 3_000}, kind="coverage")
    Position.objects.create(
        profile=live, mode="live", decision=other, event=event, kind="coverage", target_count=100, reserved=1
    )
    assert shard_cash.free(0, 2) == 4_999_999, "what a basket has set aside is promised"
    assert shard_cash.free(0, 0) == 4_000_000
    assert shard_cash.free(7, 0) is None
    ExchangeAccount.objects.filter(pk=account.pk).update(shards={})
    assert shard_cash.free(0, 2) == 9_000_000 - 1, "where no shards are listed all of the cash is one"


def test_a_day_of_losses_begins_at_midnight_of_the_profiles_zone() -> None:
    with time_machine.travel("2026-11-27T23:30:00+00:00", tick=False):  # 18:30 in New York
        profile, _, _ = _ready()
        _lose(profile, 2 * world.DOLLAR)
    with time_machine.travel("2026-11-28T04:59:00+00:00", tick=False):
        assert day.realised_today([profile])[profile.pk] == -2 * world.DOLLAR
        profile.day_zone = "UTC"
        assert day.realised_today([profile])[profile.pk] == 0
        profile.day_zone = "Mars"  # what cannot be read counts more, never less
        assert day.realised_today([profile])[profile.pk] == -2 * world.DOLLAR
    with time_machine.travel("2026-11-28T05:00:00+00:00", tick=False):
        profile.day_zone = "America/New_York"
        assert day.realised_today([profile])[profile.pk] == 0


def test_the_result_of_the_day_is_of_this_moment_though_the_day_is_added_up_once(
    django_assert_num_queries: Any,
) -> None:
    profile, _, _ = _ready()
    with time_machine.travel("2026-11-28T12:00:00+00:00", tick=False) as moved:
        assert day.realised_today([profile]) == {profile.pk: 0}
        for lost in (2, 3):
            _lose(profile, lost * world.DOLLAR)
        with django_assert_num_queries(1):
            assert day.realised_today([profile]) == {profile.pk: -5 * world.DOLLAR}
        moved.move_to(
            "2026-11-29T05:00:10+00:00"
        )  # ten seconds into the next day: what is booked late may be of the last one
        for _ in range(2):
            with django_assert_num_queries(2):
                assert day.realised_today([profile]) == {profile.pk: 0}


def test_what_was_lost_in_an_event_counts_against_its_limit() -> None:
    profile, event, decision = _ready(max_per_event=10 * world.DOLLAR, max_per_position=10 * world.DOLLAR)
    first = executor.execute(decision.pk)
    assert first is not None
    cost, again = first.cost, world.decide(profile, event, LIMITS)
    exits.request_exit(
        position_id=first.pk,
        actor="ann",
        reason="test",
        least_prices=dict.fromkeys(_keys(first), 1),
        below_floor="test",
    )
    first = executor.step(first.pk)
    assert first.status == "closed"
    assert first.realised < 0
    assert executor.execute(again.pk) is None
    again.refresh_from_db()
    assert again.denial.code == "max_per_event"
    again.denial.delete()
    Profile.objects.update(max_per_event=cost - first.realised + world.DOLLAR)
    assert executor.execute(again.pk) is not None


def test_live_profiles_of_several_subaccounts_share_an_events_limit() -> None:
    event = world.add_event()
    ours, theirs = (world.add_profile(f"live {n}", mode="live", subaccount=n) for n in (1, 2))
    taken = world.decide(theirs, event, LIMITS)
    Position.objects.create(
        profile=theirs,
        mode="live",
        decision=taken,
        event=event,
        kind="all_yes",
        target_count=1_000,
        cost=9 * world.DOLLAR,
    )
    assert _facts(world.decide(ours, event, LIMITS)).at_risk == 9 * world.DOLLAR
    paper = world.add_profile("paper")
    assert _facts(world.decide(paper, event, LIMITS)).at_risk == 0


def _keys(position: Position) -> list[tuple[str, str]]:
    return [(leg.market_id, leg.side) for leg in position.legs.all()]
