"""The main jobs of an operator, end to end in a real browser, on a wide screen and on a phone."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import sample_markets

from kalbot.common import cache, clock
from kalbot.common.messages import QUEUES
from kalbot.console.ops.health import heartbeats
from strategies.models import Decision, Profile
from strategies.screening import screening
from tests.browser.conftest import keep_alive
from trading import tasks
from trading.models import ExitRequest, Lock, Position, TradingState

WIDE_ALWAYS = pytest.mark.parametrize("width", [1440, pytest.param(390, marks=pytest.mark.slow)])
SCROLLING = """[...document.querySelectorAll("table")].map((one) => one.closest(".k-scroll, .simplebar-content-wrapper"))
    .filter((one) => one && one.scrollWidth > one.clientWidth + 1).length"""
PAGES = {
    "dashboard": "/admin/",
    "why": "/admin/why/?profile=careful",
    "operate": "/admin/operate/",
    "results": "/admin/results/?period=all&profile=live",
    "positions": "/admin/trading/position/",
    "open-positions": "/admin/positions/",
    "compare-profiles": "/admin/profiles/compare/?name=careful&name=live&period=all",
    "new-profile": "/admin/strategies/profile/add/",
    "near-misses": "/admin/strategies/nearmiss/",
    "decisions": "/admin/strategies/decision/",
    "orders": "/admin/trading/order/",
    "events": "/admin/markets/event/",
    "verdicts": "/admin/strategies/verdict/",
    "profiles": "/admin/strategies/profile/",
    "balances": "/admin/trading/profilebalance/",
    "ledger": "/admin/trading/ledgertransaction/",
    "users": "/admin/auth/user/",
    "scoreboard": "/admin/triage/scoreboard/",
    "second-factor": "/admin/account/second-factor/",
    "shadows": "/admin/shadows/",
    "capital": "/admin/capital/",
    "calibration": "/admin/calibration/",
    "backtests": "/admin/backtests/",
    "exports": "/admin/exports/",
    "markets": "/admin/markets/market/",
    "recommendations": "/admin/triage/recommendation/",
    "fills": "/admin/trading/fill/",
    "settlements": "/admin/trading/settlement/",
    "denials": "/admin/trading/denial/",
    "acts": "/admin/console/act/",
    "reconciliations": "/admin/trading/reconciliation/",
    "tokens": "/admin/account/tokens/",
    "log": "/admin/console/logrecord/",
    "schedules": "/admin/django_celery_beat/periodictask/",
}


@pytest.mark.parametrize("width", [1440, 320, pytest.param(390, marks=pytest.mark.slow)])
def test_every_page_fits_and_is_quiet(width: int, visit: Any, sample: dict[str, Any], screenshot: Any) -> None:
    page = visit("chief", width)
    addresses = PAGES | {
        "position": f"/admin/trading/position/{sample['held'].pk}/change/",
        "profile": f"/admin/strategies/profile/{sample['careful'].pk}/change/",
        "event": f"/admin/markets/event/{sample['events'][0].pk}/change/",
        "why-event": f"/admin/why/{sample['events'][0].pk}/",
        "evaluate": f"/admin/strategies/profile/{sample['careful'].pk}/evaluate/",
        "force-exit": f"/admin/act/force-exit/{sample['held'].pk}/",
    }
    for name, address in addresses.items():
        keep_alive(sample)
        page.goto(address)
        beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert beyond <= 0, f"{name} is {beyond} px too wide at {width}"
        assert width < 1440 or not page.evaluate(SCROLLING), f"{name} has a table that scrolls sideways at {width}"
        screenshot(page, name)


def test_figures_of_a_slow_day_fit_a_phone(visit: Any, sample: dict[str, Any]) -> None:
    Decision.objects.update(trace={"decided": 1_000_000})
    Position.objects.update(trace={"sent": 1_888_000})
    page = visit("viewer", 390)
    page.goto("/admin/")
    assert re.search(r"\d{3}\s+ms / \d{3}\s+ms", page.inner_text("#part-system"))
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def test_what_stops_everything_fits_however_long_it_is(visit: Any, sample: dict[str, Any], screenshot: Any) -> None:
    for who in (*QUEUES, heartbeats.BEAT):
        cache.prices().delete(f"{heartbeats.KEY}{who}")
    reason = f"position #{sample['held'].pk}: nobody bids for https://example.com/{'without-a-break' * 12}"
    Lock.objects.create(code="residual", reason=reason, until=clock.now() + timedelta(minutes=5))
    page = visit("viewer", 1440)
    for width in (1440, 320):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto("/admin/")
        page.locator(".k-tile").get_by_text("Every profile is locked").first.wait_for()
        beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert beyond <= 0, f"{beyond} px too wide at {width}"
        screenshot(page, "stopped")


@WIDE_ALWAYS
def test_the_dashboard_refreshes_by_itself_and_shows_the_servers_time(width: int, visit: Any) -> None:
    page = visit("viewer", width)
    before = page.get_attribute("#part-modes time", "datetime")
    page.wait_for_function(
        "before => document.querySelector('#part-modes time').getAttribute('datetime') !== before", arg=before
    )
    page.get_by_role("heading", name="Is it working?").wait_for()


@WIDE_ALWAYS
def test_a_limit_is_refused_and_then_changed(width: int, visit: Any, sample: dict[str, Any], screenshot: Any) -> None:
    page = visit("risk", width)
    page.goto(f"/admin/strategies/profile/{sample['careful'].pk}/change/")
    page.get_by_role("tab", name="Limits").press("Enter")
    page.fill("#id_max_per_event", "plenty")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("is not an amount of dollars; write digits such as 12.50").wait_for()
    page.fill("#id_max_per_event", "350")
    page.fill("#id_reason", "larger events wanted")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Loosened: Most in one event: $200.00 → $350.00.").wait_for()
    assert Profile.objects.get(pk=sample["careful"].pk).max_per_event == 350_000_000
    page.goto(f"/admin/strategies/profile/{sample['careful'].pk}/history/")
    page.get_by_text("Most in one event (loosened)").wait_for()
    screenshot(page, "profile-history")


@WIDE_ALWAYS
def test_a_viewer_reads_why_an_event_was_refused(width: int, visit: Any, sample: dict[str, Any]) -> None:
    page = visit("viewer", width)
    page.goto("/admin/why/?profile=careful")
    page.get_by_role("link", name="volume", exact=True).click()
    page.wait_for_url("**/verdict/**")
    page.get_by_text("120 contracts").first.wait_for()
    page.goto(f"/admin/why/{sample['events'][3].pk}/")
    page.get_by_role("cell", name="1,000 contracts").first.wait_for()


@WIDE_ALWAYS
def test_a_position_is_forced_out_and_watched_until_it_is_closed(
    width: int, visit: Any, sample: dict[str, Any], screenshot: Any
) -> None:
    held = sample["paper"]
    page = visit("operator", width)
    page.goto(f"/admin/act/force-exit/{held.pk}/" if width == 390 else f"/admin/trading/position/{held.pk}/change/")
    if width != 390:
        page.get_by_role("link", name="Force exit").click()
    dialog = page.locator("#dialog")
    dialog.get_by_text("Expected proceeds").wait_for()
    screenshot(page, "force-exit-dialog")
    dialog.get_by_label("Reason").fill("the forecast changed")
    dialog.get_by_role("button", name="Exit this position").dblclick()
    page.wait_for_url(f"**/position/{held.pk}/change/")
    page.get_by_text("On its way.").wait_for()
    assert ExitRequest.objects.filter(position=held).count() == 1
    for _ in range(4):  # what the stream and the workers do
        sample_markets.publish(held.event)
        tasks.exit_position(held.pk)
    page.locator('[data-status="closed"]').wait_for()
    held.refresh_from_db()
    assert held.status == "closed"
    assert held.realised != 0


@WIDE_ALWAYS
def test_chosen_positions_are_exited_in_part_with_what_that_leaves_shown_before(
    width: int, visit: Any, sample: dict[str, Any], screenshot: Any
) -> None:
    held = sample["paper"]
    page = visit("operator", width)
    page.goto("/admin/positions/?mode=sim")
    page.get_by_label(f"Choose position {held.pk}", exact=True).check()
    page.get_by_role("button", name="Exit the chosen ones").click()
    page.locator("#dialog").get_by_text(f"#{held.pk} ").first.wait_for()
    page.goto(f"/admin/act/force-exit/{held.pk}/")
    dialog = page.locator("#dialog")
    dialog.get_by_label("Reason").fill("half of it is enough")
    dialog.get_by_label("How much of it").fill("50")
    dialog.get_by_label("How much of it").press("Tab")
    dialog.get_by_text("They pay at least").wait_for()
    screenshot(page, "partial-exit-dialog")
    assert dialog.get_by_label("Reason").input_value() == "half of it is enough"
    dialog.get_by_label("Only for a basket whose floor").fill("the rest is kept")
    dialog.get_by_role("button", name="Exit this position").click()
    page.wait_for_url(f"**/position/{held.pk}/change/")
    request = ExitRequest.objects.get(position=held)
    assert 0 < sum(row["count"] for row in request.counts) < sum(leg.held for leg in held.legs.all())


def test_a_new_profile_counts_what_matches_while_it_is_written(visit: Any, sample: dict[str, Any]) -> None:
    screening.screen()
    page = visit("chief", 1440)
    page.goto("/admin/strategies/profile/add/?preset=paper-trial")
    matches = page.locator("#matches")
    matches.get_by_text("of them candidates").wait_for()
    page.locator("#id_min_outcomes").evaluate(
        "one => { one.value = 60; one.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    matches.get_by_text(re.compile("match 0 of")).wait_for()


@WIDE_ALWAYS
def test_an_operator_halts_and_a_risk_manager_resumes(width: int, visit: Any, screenshot: Any) -> None:
    operator = visit("operator", width)
    operator.locator(".k-banner").get_by_role("link", name="Halt").click()
    dialog = operator.locator("#dialog")
    dialog.get_by_label("Halted, cancels only").check()
    dialog.get_by_label("Reason").fill("odd prices")
    dialog.get_by_role("button", name="Halt").click()
    operator.wait_for_url("**/operate/")
    operator.locator(".k-banner-halted").get_by_text("HALTED").wait_for()
    assert operator.locator(".k-banner").get_by_role("link", name="Resume").count() == 0
    screenshot(operator, "halted")
    risk = visit("risk", width)
    risk.locator(".k-banner").get_by_role("link", name="Resume").click()
    risk.locator("#dialog").get_by_label("Reason").fill("prices are sane again")
    risk.locator("#dialog").get_by_role("button", name="Resume").click()
    risk.locator(".k-banner-active, .k-banner-partly").get_by_text("ACTIVE").wait_for()
    assert TradingState.objects.get(scope="global").state == "active"


def test_a_certificate_is_reviewed(visit: Any, sample: dict[str, Any]) -> None:
    page = visit("risk")
    page.goto(f"/admin/markets/event/{sample['events'][1].pk}/change/")
    page.get_by_role("link", name="Grant …").wait_for()
    assert page.locator(".k-tag").get_by_text("certified", exact=True).count() == 0
    page.get_by_role("link", name="Grant …").click()
    page.locator("#dialog").get_by_label("Reason").fill("the rules name every temperature")
    page.locator("#dialog").get_by_role("button", name="One of them must win").click()
    page.locator(".k-tag").get_by_text("certified", exact=True).wait_for()
    page.get_by_role("link", name="Revoke …").click()
    page.locator("#dialog").get_by_label("Reason").fill("read it again")
    page.locator("#dialog").get_by_role("button", name="Revoke").click()
    page.get_by_text("revoked", exact=True).first.wait_for()


def test_the_switch_works_by_keyboard_alone(visit: Any) -> None:
    page = visit("operator")
    halt = page.locator(".k-banner").get_by_role("link", name="Halt")
    halt.focus()
    page.keyboard.press("Enter")
    reason = page.locator("#dialog").get_by_label("Reason")
    reason.wait_for()
    page.wait_for_function("document.activeElement.closest('#dialog') !== null")
    page.keyboard.press("Escape")
    reason.wait_for(state="hidden")
    assert TradingState.objects.get(scope="global").state == "active"
    halt.focus()
    page.keyboard.press("Enter")
    reason.wait_for()
    page.wait_for_function("document.activeElement.name === 'reason'")
    page.keyboard.type("by keyboard")
    page.keyboard.press("Enter")
    page.wait_for_url("**/operate/")
    assert TradingState.objects.get(scope="global").state == "reducing"


def test_a_position_is_forced_out_by_keyboard_alone(visit: Any, sample: dict[str, Any]) -> None:
    held = sample["paper"]
    page = visit("operator")
    page.goto(f"/admin/act/force-exit/{held.pk}/")
    page.locator("#dialog").get_by_label("Reason").focus()
    page.keyboard.type("by keyboard")
    submit = page.locator("#dialog").get_by_role("button", name="Exit this position")
    for _ in range(12):
        page.keyboard.press("Tab")
        if submit.evaluate("one => one === document.activeElement"):
            break
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/position/{held.pk}/change/")
    assert ExitRequest.objects.get(position=held).reason == "by keyboard"


SCHEMES = [
    ("light", 1440),
    *(
        pytest.param(scheme, width, marks=pytest.mark.slow)
        for scheme, width in (("dark", 1440), ("dark", 390), ("light", 390))
    ),
]


@pytest.mark.parametrize(("scheme", "width"), SCHEMES)
def test_no_serious_finding_of_axe(
    scheme: str, width: int, visit: Any, sample: dict[str, Any], screenshot: Any
) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
    ).Axe()
    page, found = visit("chief", width), {}
    page.emulate_media(color_scheme=scheme)
    for address in [
        "/admin/",
        "/admin/why/",
        "/admin/operate/",
        "/admin/results/?period=all&profile=live",
        "/admin/shadows/",
        "/admin/account/second-factor/",
        "/admin/first-steps/",
        "/admin/trading/position/",
        "/admin/strategies/nearmiss/",
        f"/admin/strategies/profile/{sample['careful'].pk}/change/",
        f"/admin/why/{sample['events'][0].pk}/",
        f"/admin/trading/position/{sample['held'].pk}/change/",
        f"/admin/markets/event/{sample['events'][0].pk}/change/",
        f"/admin/act/force-exit/{sample['held'].pk}/",
    ]:
        keep_alive(sample)
        page.goto(address)
        page.wait_for_timeout(400)
        assert page.evaluate("document.documentElement.classList.contains('dark')") is (scheme == "dark")
        if scheme == "dark":
            screenshot(page, f"dark-{address.strip('/').replace('/', '-').partition('?')[0]}")
        violations = axe.run(page).response["violations"]
        serious = [
            f"{v['id']}: {v['nodes'][0]['html'][:160]}" for v in violations if v["impact"] in ("serious", "critical")
        ]
        if serious:
            found[address] = serious
    assert found == {}
