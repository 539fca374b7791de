"""What people do seldom and must not get wrong, end to end in a real browser: going live, lifting a lock, two who edit one profile, a
settlement that the exchange takes back, a new channel."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sample_positions
import sample_rows
from peers import http_receiver

from kalbot.common import clock
from kalbot.console.models import Channel
from markets.models import Market
from strategies.cycle import shadows
from strategies.models import Profile
from trading.closing import settlement
from trading.models import ExitRequest, Lock, Settlement

pytestmark = pytest.mark.slow
BOTH = pytest.mark.parametrize("width", [1440, 390])


@pytest.fixture
def ready_for_live(sample: dict[str, Any], settings: Any) -> dict[str, Any]:
    """Everything on the checklist holds."""
    sample_rows.fill_checklist(settings)
    return sample


def enter_limits(dialog: Any, name: str) -> None:
    for label, amount in (
        *(("Its capital", "500"), ("Most in one basket", "50"), ("Most in one event", "80")),
        ("Daily loss, at most", "20"),
    ):
        dialog.get_by_label(label).fill(amount)
    dialog.get_by_label('Type "trade real money with"').fill(f"trade real money with {name}")
    dialog.get_by_label("Reason").fill("paper went well")


@BOTH
def test_a_profile_goes_live_and_its_own_page_follows(
    width: int, visit: Any, ready_for_live: dict[str, Any], screenshot: Any
) -> None:
    page, careful = visit("risk", width), ready_for_live["careful"]
    page.goto(f"/admin/act/go-live/{careful.pk}/")
    dialog = page.locator("#dialog")
    enter_limits(dialog, "careful-live")
    dialog.get_by_label("Its capital").fill("5000")
    dialog.get_by_label('Type "trade real money with"').fill("trade real money")
    screenshot(page, "go-live")
    dialog.get_by_role("button", name="Trade with real money").click()
    dialog.get_by_text("The account has $900.00; a profile cannot trade with more.").wait_for()
    dialog.get_by_text("Please type: trade real money with careful-live.").wait_for()
    assert not Profile.objects.filter(name="careful-live").exists()
    enter_limits(dialog, "careful-live")
    dialog.get_by_role("button", name="Trade with real money").click()
    page.get_by_text("careful-live is live with $500.00.").wait_for()
    live = Profile.objects.get(name="careful-live")
    assert page.url.split("?")[0].endswith(f"/strategies/profile/{live.pk}/change/")
    assert (live.mode, live.is_active, live.max_daily_loss) == ("live", True, 20_000_000)
    page.goto(f"/admin/strategies/profile/{live.pk}/history/")
    page.get_by_text("live, from careful: paper went well").wait_for()


def test_a_live_profile_comes_back_on_the_record_of_its_paper_twin(
    visit: Any, ready_for_live: dict[str, Any], screenshot: Any
) -> None:
    live = Profile.objects.get(name="live")
    twin = shadows.make(live)
    Profile.objects.filter(pk=live.pk).update(is_active=False)
    page = visit("risk")
    page.goto(f"/admin/act/go-live/{live.pk}/")
    page.get_by_text("0 baskets ended on paper").wait_for()
    assert page.get_by_role("button", name="Trade with real money").count() == 0
    for event in ready_for_live["events"][:3]:
        sample_positions.settle(sample_positions.bought(twin, event, 500))
    page.goto(f"/admin/act/go-live/{live.pk}/")
    page.get_by_text("3 baskets ended on paper").wait_for()
    screenshot(page, "go-live-with-a-twin")
    enter_limits(page.locator("#dialog"), "live")
    page.get_by_role("button", name="Trade with real money").click()
    page.get_by_text("live is live with $500.00.").wait_for()
    assert Profile.objects.get(pk=live.pk).is_active
    page.goto("/admin/shadows/")
    page.get_by_text("no fair comparison: Capital, Most in one event").wait_for()
    assert page.get_by_text(twin.name).count()
    screenshot(page, "paper-against-live")


@BOTH
def test_a_lock_is_lifted_and_the_banner_follows(
    width: int, visit: Any, sample: dict[str, Any], screenshot: Any
) -> None:
    code = Lock.Code.REJECT_STORM
    until, reason = clock.now() + timedelta(minutes=50), "12 orders were refused within a minute"
    lock = Lock.objects.create(code=code, reason=reason, until=until, profile=sample["careful"])
    page = visit("risk", width)
    page.locator(".k-banner").get_by_text("careful is locked").wait_for()
    page.goto(f"/admin/act/remove-lock/{lock.pk}/")
    dialog = page.locator("#dialog")
    dialog.get_by_text("New baskets").first.wait_for()
    screenshot(page, "lift-lock")
    dialog.get_by_label("Reason").fill("the exchange answers again")
    dialog.get_by_role("button", name="Lift this lock").click()
    page.get_by_text("The lock is lifted.").wait_for()
    assert page.locator(".k-banner").get_by_text("careful is locked").count() == 0
    lock.refresh_from_db()
    assert "lifted by risk: the exchange answers again" in lock.end_note


def test_the_second_of_two_people_is_shown_what_the_first_has_changed(
    visit: Any, sample: dict[str, Any], screenshot: Any
) -> None:
    careful = sample["careful"]
    first, second = visit("risk"), visit("chief")
    for page in (first, second):
        page.goto(f"/admin/strategies/profile/{careful.pk}/change/")
        page.get_by_role("tab", name="Limits").press("Enter")
    for page, amount, answer in (
        (first, "250", "was changed successfully"),
        (second, "350", "nothing of yours was saved"),
    ):
        page.fill("#id_max_per_event", amount)
        page.fill("#id_reason", "my own view of it")
        page.get_by_role("button", name="Save", exact=True).click()
        page.get_by_text(answer).wait_for()
    second.get_by_text("Most in one event: it was $200.00 when you opened it and is $250.00 now.").wait_for()
    screenshot(second, "two-people")
    assert Profile.objects.get(pk=careful.pk).max_per_event == 250_000_000
    second.goto(f"/admin/strategies/profile/{careful.pk}/history/")
    second.get_by_text("my own view of it").wait_for()
    assert second.get_by_text("None", exact=True).count() == 0
    screenshot(second, "profile-history")


def test_a_settlement_that_was_taken_back_is_shown_in_dollars(
    visit: Any, sample: dict[str, Any], screenshot: Any
) -> None:
    booked = Settlement.objects.filter(reversed_at=None, mode="live", result="yes").order_by("pk").first()
    assert booked is not None
    ticker, position = booked.leg.market_id, booked.leg.position_id
    Market.objects.filter(pk=ticker).update(status="finalized", settlement_value_e6=500_000, result="scalar")
    assert settlement.amend() == 1
    page = visit("viewer")
    page.goto(f"/admin/trading/position/{position}/change/")
    page.get_by_text(f"{ticker} was amended: YES pays $0.50, not $1.00").first.wait_for()
    screenshot(page, "reversed")
    page.goto(f"/admin/trading/ledgertransaction/?q=%23{position}")
    page.get_by_text(f"{ticker} scalar at $0.50").wait_for()
    page.get_by_text(f"{ticker} yes at $1.00").first.wait_for()
    screenshot(page, "reversed-ledger")


@BOTH
def test_a_new_channel_says_that_nothing_is_sent_without_a_rule(
    width: int, visit: Any, sample: dict[str, Any], screenshot: Any
) -> None:
    page = visit("chief", width)
    with http_receiver() as got:
        page.goto("/admin/console/channel/add/")
        page.fill("#id_name", "night-watch")
        page.fill("#id_new_address", "nonsense")
        page.fill("#id_reason", "somebody must know")
        page.get_by_role("button", name="Save", exact=True).click()
        page.get_by_text("This is not an address that apprise can read.").wait_for()
        page.fill("#id_new_address", f"json://127.0.0.1:{got.port}/hook")
        page.get_by_role("button", name="Save", exact=True).click()
        page.get_by_text("night-watch has no rule: nothing but tests is sent to it.").wait_for()
        page.locator("#result_list").get_by_text("nothing is sent").wait_for()
        screenshot(page, "channels")
        channel = Channel.objects.get(name="night-watch")
        page.goto(f"/admin/act/test-channel/{channel.pk}/")
        page.locator("#dialog").get_by_role("button", name="Send a test now").click()
        page.get_by_text("was taken by JSON; see whether it arrives.").wait_for()
        assert len(got.messages) == 1


@BOTH
def test_less_than_the_floor_is_sold_only_with_a_persons_words(
    width: int, visit: Any, sample: dict[str, Any], screenshot: Any
) -> None:
    held = sample["held"]
    Profile.objects.filter(pk=held.profile_id).update(max_price_age_ms=600_000)
    page = visit("operator", width)
    page.goto(f"/admin/act/force-exit/{held.pk}/")
    dialog = page.locator("#dialog")
    dialog.get_by_label("Reason").fill("one leg is enough")
    leg = held.legs.order_by("pk")[0]
    dialog.get_by_label("Or so many contracts of single legs").fill(f"{leg.side} {leg.market_id} 5")
    dialog.get_by_role("button", name="Exit this position").click()
    dialog.get_by_text("is sold in equal shares of each leg, unless a person says why not").wait_for()
    screenshot(page, "exit-of-one-leg")
    assert not ExitRequest.objects.filter(position=held).exists()
    dialog.get_by_label("Only for a basket whose floor").fill("the station is broken")
    dialog.get_by_role("button", name="Exit this position").click()
    page.wait_for_url(f"**/position/{held.pk}/change/")
    assert [row["count"] for row in ExitRequest.objects.get(position=held).counts if row["count"]] == [500]
