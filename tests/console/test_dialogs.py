"""Dangerous actions: nothing on GET, a reason, once, by the right people, and kept with who, when and why."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import sample_rows
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from kalbot.common import cache, clock
from kalbot.console.admin.profiles.profile_form import ProfileForm
from kalbot.console.models import Act
from kalbot.console.ops.health import exchange_status
from markets import prices
from markets.terms import certificates
from strategies.cycle import plausibility
from strategies.models import Profile
from trading import premises
from trading.closing import exits
from trading.models import Discrepancy, ExchangeAccount, ExitRequest, Lock, Position, PositionStatus, TradingState
from triage.models import Recommendation

pytestmark = pytest.mark.alike


def found(pattern: str, text: str) -> re.Match[str]:
    """Where ``pattern`` is in ``text``; it must be there."""
    match = re.search(pattern, text)
    assert match is not None
    return match


def token_of(client: Client, address: str) -> str:
    """Open the dialog as a browser would and take its token."""
    page = client.get(address)
    assert page.status_code == 200
    return found(r'name="token" value="([^"]+)"', page.content.decode())[1]


def confirm(client: Client, address: str, token: str = "", **fields: Any) -> Any:
    """Confirm the dialog as htmx does."""
    shown = client.get(address).content.decode()
    version = re.search(r'name="version" value="([^"]*)"', shown)
    data = {
        "token": token or token_of(client, address),
        "version": unescape(version[1]) if version else "",
        "reason": "because of the test",
        **fields,
    }
    return client.post(address, data, headers={"HX-Request": "true"})


def test_force_exit_shows_legs_bids_proceeds_and_loss(sample: dict[str, Any], login: Any) -> None:
    page = login("operator").get(reverse("admin:act_force_exit_one", args=[sample["held"].pk])).content.decode()
    for words in (
        "KXHIGHNY-26NOV24-B82",
        "Best bid",
        "$0.69",
        "Expected proceeds",
        "$52.9901",
        "Expected result",
        "$49.4075",
    ):
        assert words in page
    assert ExitRequest.objects.count() == 0


def test_prices_that_cannot_be_relied_on_make_no_proceeds(sample: dict[str, Any], login: Any) -> None:
    held = sample["held"]
    cache.prices().delete(f"{prices.LEASE_KEY}0")
    client = login("operator")
    one = client.get(reverse("admin:act_force_exit_one", args=[held.pk])).context["briefing"]
    several = client.get(reverse("admin:act_exit_several_one", args=[str(held.pk)])).context["briefing"]
    for briefing in (one, several):
        shown = dict(briefing.numbers)
        assert (shown["Expected proceeds"], shown["Expected result"]) == ("–", "–")
    assert dict(several.numbers)["Not in the sums: no live books"] == f"#{held.pk}"
    mixed = client.get(reverse("admin:act_exit_several_one", args=[f"{held.pk},{sample['paper'].pk}"]))
    assert mixed.context["briefing"].target.endswith("(live and sim)")
    assert mixed.context["briefing"].numbers == [], "live and paper are never added up"


def test_force_exit_asks_once_however_often_it_is_confirmed(sample: dict[str, Any], login: Any) -> None:
    client, address = login("operator", "olga"), reverse("admin:act_force_exit_one", args=[sample["held"].pk])
    token = token_of(client, address)
    first, second = confirm(client, address, token), confirm(client, address, token)
    assert (
        first.headers["HX-Redirect"]
        == second.headers["HX-Redirect"]
        == f"/admin/trading/position/{sample['held'].pk}/change/"
    )
    assert "This was confirmed before." in client.get(first.headers["HX-Redirect"]).content.decode()
    request = ExitRequest.objects.get()
    assert (request.actor, request.reason, request.source) == ("olga", "because of the test", "person")
    act = Act.objects.get()
    assert (act.name, act.actor, act.outcome) == ("force_exit", "olga", "done")
    assert ["Expected proceeds", "$52.9901"] in act.shown


def test_without_a_reason_nothing_happens(sample: dict[str, Any], login: Any) -> None:
    client, address = login("operator"), reverse("admin:act_force_exit_one", args=[sample["held"].pk])
    answer = confirm(client, address, reason=" ")
    assert "Please say why" in answer.content.decode()
    assert not ExitRequest.objects.exists()
    assert not Act.objects.exists()


def test_an_ended_position_cannot_be_exited(sample: dict[str, Any], login: Any) -> None:
    sample["held"].__class__.objects.filter(pk=sample["held"].pk).update(status="settled")
    client, address = login("operator"), reverse("admin:act_force_exit_one", args=[sample["held"].pk])
    page = client.get(address).content.decode()
    assert "already ended" in page
    assert "Exit this position" not in page
    answer = client.post(address, {"token": "made-up", "reason": "a stale page"})
    assert answer.status_code == 200
    assert Act.objects.get().outcome == "refused"
    assert not ExitRequest.objects.exists()


@pytest.mark.parametrize("status", PositionStatus.values)
def test_the_dialog_offers_an_exit_exactly_where_the_request_is_taken(
    status: str, sample: dict[str, Any], login: Any
) -> None:
    position = sample["held"]
    type(position).objects.filter(pk=position.pk).update(status=status)
    position.refresh_from_db()
    page = login("operator").get(reverse("admin:act_force_exit_one", args=[position.pk])).content.decode()
    refusal = exits.why_not(position)
    assert ("Exit this position" in page) == (refusal is None)
    assert refusal is None or escape(refusal.code.sentence) in page


def test_halt_has_two_levels_and_resume_needs_a_risk_manager(sample: dict[str, Any], login: Any) -> None:
    operator, risk = login("operator"), login("risk manager")
    halt, resume = reverse("admin:act_halt"), reverse("admin:act_resume")
    stakes = dict(operator.get(halt).context["briefing"].numbers)
    assert (stakes["Cost at risk, live"], stakes["Cost at risk, sim"]) == ("$49.4075", "$98.8150"), "never added up"
    assert confirm(operator, halt, level="reducing").status_code == 200
    assert TradingState.objects.get(scope="global").state == "reducing"
    assert confirm(operator, halt, level="halted").status_code == 200
    state = TradingState.objects.get(scope="global")
    assert (state.state, state.actor, state.reason) == ("halted", "operator", "because of the test")
    assert "HALTED" in operator.get(reverse("admin:index")).content.decode()
    assert operator.get(resume).status_code == 403
    assert operator.post(resume, {"token": "t", "reason": "please"}).status_code == 403
    confirm(risk, resume)
    assert TradingState.objects.get(scope="global").state == "active"


def test_one_profile_can_be_halted_alone(sample: dict[str, Any], login: Any) -> None:
    confirm(login("operator"), reverse("admin:act_halt_one", args=[sample["careful"].pk]), level="halted")
    assert TradingState.objects.get(profile=sample["careful"]).state == "halted"
    assert TradingState.objects.get(scope="global").state == "active"


SEEN = {"opening": 0, "balance": 0, "seen_at": "2026-01-01T00:00Z"}


@pytest.mark.parametrize("role", ["viewer", "operator", "risk manager"])
def test_roles_may_do_what_they_are_for(role: str, sample: dict[str, Any], login: Any) -> None:
    client = login(role)
    lock = Lock.objects.create(code="losses", reason="three losses", until="2030-01-01T00:00Z")
    allowed = {
        "force_exit": {"operator", "risk manager"},
        "halt": {"operator", "risk manager"},
        "resume": {"risk manager"},
        "remove_lock": {"risk manager"},
        "resolve_discrepancy": {"risk manager"},
        "go_live": {"risk manager"},
        "make_twin": {"risk manager"},
        "clone_profile": {"risk manager"},
        "grant_certificate": {"risk manager"},
        "revoke_certificate": {"risk manager"},
        "approve_event": {"risk manager"},
        "choose_collateral": {"risk manager"},
        "dismiss_advice": {"operator", "risk manager"},
    }
    keys = {
        "force_exit": sample["held"].pk,
        "remove_lock": lock.pk,
        "resolve_discrepancy": Discrepancy.objects.latest("id").pk,
        "go_live": sample["careful"].pk,
        "make_twin": sample["live"].pk,
        "clone_profile": sample["careful"].pk,
        "grant_certificate": sample["events"][1].pk,
        "revoke_certificate": sample["events"][0].pk,
        "approve_event": sample["events"][0].pk,
        "choose_collateral": ExchangeAccount.objects.get_or_create(subaccount=9, defaults=SEEN)[0].pk,
        "dismiss_advice": Recommendation.objects.get().pk,
    }
    for name, roles in allowed.items():
        address = reverse(f"admin:act_{name}_one", args=[keys[name]]) if name in keys else reverse(f"admin:act_{name}")
        expected = 200 if role in roles else 403
        assert client.get(address).status_code == expected, name
        assert client.post(address, {}).status_code == expected, name


def test_a_difference_is_resolved_once_with_who_and_why(sample: dict[str, Any], login: Any) -> None:
    row = Discrepancy.objects.create(code="fill_impossible", key="f-1", mode="live", theirs="impossible")
    client, address = login("risk manager", "rita"), reverse("admin:act_resolve_discrepancy_one", args=[row.pk])
    assert "Accept as known" in client.get(address).content.decode()
    confirm(client, address)
    row.refresh_from_db()
    assert (row.accepted, row.resolution) == (True, "because of the test: accepted as it is (rita)")
    assert "not open any more" in client.get(address).content.decode()


def test_a_certificate_is_granted_and_revoked_with_evidence(sample: dict[str, Any], login: Any) -> None:
    client, event = login("risk manager", "rita"), sample["events"][1]
    confirm(client, reverse("admin:act_grant_certificate_one", args=[event.pk]))
    in_force = certificates.in_force(event)
    assert in_force is not None
    assert (in_force.kind, in_force.actor, in_force.reason) == ("person", "rita", "because of the test")
    confirm(client, reverse("admin:act_revoke_certificate_one", args=[event.pk]))
    assert certificates.in_force(event) is None


def test_whoever_revokes_a_certificate_sees_what_rests_on_it_and_it_is_conditional_at_once(
    sample: dict[str, Any], login: Any
) -> None:
    resting = Position.objects.filter(guaranteed=True, status="open").exclude(kind="family").first()
    assert resting is not None
    address = reverse("admin:act_revoke_certificate_one", args=[resting.event_id])
    client = login("risk manager", "rita")
    count = len(premises.resting_on([resting.event_id]))
    said = re.sub(r"<[^>]+>|\s+", " ", client.get(address).content.decode())
    assert f"Open positions on it {count} " in re.sub(" +", " ", said)
    confirm(client, address)
    resting.refresh_from_db()
    assert (resting.revoked, resting.guaranteed) == (True, False)


def test_an_event_is_approved_for_a_stated_time_with_who_and_why(sample: dict[str, Any], login: Any) -> None:
    client, event = login("risk manager", "rita"), sample["events"][1]
    address = reverse("admin:act_approve_event_one", args=[event.pk])
    assert "not approved" in client.get(address).content.decode()
    confirm(client, address, hours="6")
    approval = plausibility.approval_of(event.pk)
    assert approval is not None
    assert (approval.actor, approval.note) == ("rita", "because of the test")
    assert approval.expires_at - approval.created_at == pytest.approx(timedelta(hours=6), abs=timedelta(minutes=1))
    assert "not approved" not in client.get(address).content.decode()


def test_a_clone_is_sim_and_off(sample: dict[str, Any], login: Any) -> None:
    confirm(login("risk manager"), reverse("admin:act_clone_profile_one", args=[sample["live"].pk]), name="live-two")
    copy = Profile.objects.get(name="live-two")
    assert (copy.mode, copy.is_active, copy.min_profit) == ("sim", False, sample["live"].min_profit)


GO_LIVE = {
    "name": "careful-live",
    "confirm": "trade real money with careful-live",
    "capital": "250",
    "max_per_position": "20",
    "max_per_event": "40",
    "max_daily_loss": "10",
}


@pytest.fixture
def ready_for_live(sample: dict[str, Any], settings: Any) -> dict[str, Any]:
    """Everything on the checklist holds."""
    sample_rows.fill_checklist(settings)
    return sample


def test_going_live_makes_a_live_profile_with_limits_entered_by_hand(
    ready_for_live: dict[str, Any], login: Any
) -> None:
    careful = ready_for_live["careful"]
    client, address = login("risk manager"), reverse("admin:act_go_live_one", args=[careful.pk])
    page = client.get(address).content.decode()
    assert "the checklist is not complete" not in page
    assert "a subaccount of its own is recommended for it" in page
    assert re.search(r"Locks \$[0-9.]+ until settlement.*selling leg by leg for what it cost would need up to \$", page)
    for name in ("capital", "max_per_position", "max_per_event", "max_daily_loss"):
        assert re.search(rf'<input[^>]*name="{name}"[^>]*>', page)
        assert not re.search(rf'<input[^>]*name="{name}"[^>]*value="[^"]', page), name
        assert "This field is required" in confirm(client, address, **{**GO_LIVE, name: ""}).content.decode()
    for slip in ("careful-live", "trade real money with careful", "Trade real money with careful-live"):
        wrong = confirm(client, address, **{**GO_LIVE, "confirm": slip})
        assert "Please type: trade real money with careful-live." in wrong.content.decode()
    assert "The account has $900.00" in confirm(client, address, **{**GO_LIVE, "capital": "901"}).content.decode()
    assert not Profile.objects.filter(name="careful-live").exists()
    answer = confirm(client, address, **GO_LIVE)
    live = Profile.objects.get(name="careful-live")
    assert answer.headers["HX-Redirect"] == reverse("admin:strategies_profile_change", args=[live.pk])
    assert (live.mode, live.capital, live.is_active) == ("live", 250_000_000, True)
    assert (live.max_per_position, live.max_per_event, live.max_daily_loss) == (20_000_000, 40_000_000, 10_000_000)
    assert live.max_per_leg <= live.max_per_position
    careful.refresh_from_db()
    assert careful.mode == "sim"


def _no_switch(settings: Any) -> None:
    settings.KALBOT_LIVE = False


def _no_key(settings: Any) -> None:
    settings.KALSHI_KEY_ID = ""


def _outside(**values: Any) -> None:
    known = {"checked_ms": clock.now_ms(), "skew_ms": 38, "key_listed": True, "cash": 900_000_000}
    exchange_status.keep(exchange_status.Outside(**{**known, **values}))


@pytest.mark.parametrize(
    "undo",
    [
        _no_switch,
        _no_key,
        lambda settings: _outside(key_listed=False),
        lambda settings: _outside(key_listed=None),
        lambda settings: _outside(cash=None),
        lambda settings: _outside(cash=0),
        lambda settings: _outside(error="refused"),
        lambda settings: _outside(checked_ms=clock.now_ms() - 6 * 60_000),
        lambda settings: _outside(skew_ms=2_000),
        lambda settings: _outside(skew_ms=None),
        lambda settings: Discrepancy.objects.update(resolved_at=None),
        lambda settings: Position.objects.filter(mode="sim").update(status="open"),
        lambda settings: Profile.objects.filter(name="careful").update(count_step=0),
    ],
)
def test_going_live_is_refused_while_one_thing_of_the_checklist_is_missing(
    undo: Callable[[Any], object], ready_for_live: dict[str, Any], login: Any, settings: Any
) -> None:
    client, address = login("risk manager"), reverse("admin:act_go_live_one", args=[ready_for_live["careful"].pk])
    cache.prices().delete("stream:status")
    undo(settings)
    assert "the checklist is not complete" in client.get(address).content.decode()
    client.post(address, {"token": "x", "reason": "let us go", **GO_LIVE})
    assert not Profile.objects.filter(name="careful-live").exists()


def test_a_live_profile_that_is_off_comes_back_through_the_checklist_alone(
    ready_for_live: dict[str, Any], login: Any
) -> None:
    live, client = ready_for_live["live"], login("risk manager")
    Profile.objects.filter(pk=live.pk).update(is_active=False)
    form = ProfileForm(instance=Profile.objects.get(pk=live.pk), data={"is_active": "on", "name": live.name})
    assert "Go live dialog" in form.errors["is_active"][0]
    address = reverse("admin:act_go_live_one", args=[live.pk])
    assert "0 baskets ended on paper" in client.get(address).content.decode()
    Profile.objects.filter(name="careful").update(shadow_of=live)
    confirm(client, address, **{**GO_LIVE, "name": "live", "confirm": "trade real money with live"})
    live.refresh_from_db()
    assert (live.is_active, live.capital, live.mode) == (True, 250_000_000, "live")


def test_dismissing_advice_keeps_the_reason(sample: dict[str, Any], login: Any) -> None:
    advice = Recommendation.objects.get()
    confirm(login("operator", "otto"), reverse("admin:act_dismiss_advice_one", args=[advice.pk]))
    advice.refresh_from_db()
    assert (advice.status, advice.actor, advice.actor_reason) == ("dismissed", "otto", "because of the test")


def test_accepting_advice_is_one_act_with_the_exit_and_only_for_advice_to_exit(
    sample: dict[str, Any], login: Any
) -> None:
    advice = Recommendation.objects.get()
    client = login("operator", "otto")
    address = reverse("admin:act_accept_advice_one", args=[advice.pk])
    Recommendation.objects.update(advice="watch")
    assert "to watch, not to exit" in client.get(address).content.decode()
    confirm(client, address, token="made-up")
    assert not ExitRequest.objects.filter(position=advice.position).exists()
    Recommendation.objects.update(advice="exit")
    confirm(client, address)
    advice.refresh_from_db()
    assert (advice.status, advice.actor) == ("accepted", "otto")
    request = ExitRequest.objects.get(position=advice.position)
    assert (request.actor, request.source) == ("otto", "triage")
    assert "because of the test" in request.reason


def test_a_person_keeps_triage_from_exiting_a_position_and_lets_it_again(sample: dict[str, Any], login: Any) -> None:
    held = sample["held"]
    client, address = login("operator", "otto"), reverse("admin:act_triage_opt_out_one", args=[held.pk])
    for out in (True, False):
        confirm(client, address)
        held.refresh_from_db()
        assert held.triage_opt_out is out
    assert [event.actor for event in held.events.filter(reason__contains="triage may")] == ["otto", "otto"]
    assert login("viewer").get(address).status_code == 403


def test_collateral_return_is_chosen_at_the_exchange_and_here(sample: dict[str, Any], login: Any) -> None:
    from tests.trading.twin import Twin
    from trading.venues import connection

    twin = Twin("KXC-1")
    connection.use(twin.client())
    account = ExchangeAccount.objects.create(subaccount=0, **SEEN)
    client, address = login("risk manager", "rita"), reverse("admin:act_choose_collateral_one", args=[account.pk])
    assert "off: every leg costs its price" in client.get(address).content.decode()
    confirm(client, address, mode="on")
    account.refresh_from_db()
    assert account.collateral == "off", "not learnt, and nobody said that the model is trusted"
    confirm(client, address, mode="learning")
    account.refresh_from_db()
    assert account.collateral == "learning"
    assert twin.exchange.ledger.options["netting:0"] == "1"
    confirm(client, address, mode="on", trust="on")
    confirm(client, address, mode="off")
    account.refresh_from_db()
    assert (account.collateral, twin.exchange.ledger.options["netting:0"]) == ("off", "0")
    connection.use(None)
