"""What a decision rests on, what is stored of states and switches, and the rows that a refusal names."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from markets.models import Event, Market
from markets.terms.grades import Grade
from strategies.models import Decision, Profile
from tests.trading import world
from trading.denials import Denied
from trading.limits import risk
from trading.limits.facts import Facts
from trading.limits.intent import Intent
from trading.models import Discrepancy, Lock, Position
from trading.safety import halt

NOW = datetime.fromisoformat("2026-11-20T12:00:00+00:00")
LEGS = {("KXT-1-0", "yes"): 400, ("KXT-1-1", "yes"): 500}
DECISION: dict[str, Any] = {"kind": "all_yes", "grade": Grade.GUARANTEED.value, "quote": {}}


def test_a_refusal_names_the_row_that_is_meant() -> None:
    """Each has another beside it."""
    profile, event = world.add_profile(), world.add_event()
    orders = [world.add_order(number) for number in (2, 3)]
    until = NOW + timedelta(hours=1)
    locks = [Lock.objects.create(code="residual", reason=f"reason {n}", until=until) for n in (1, 2)]
    rows = [Discrepancy.objects.create(code="cash", key=f"k{n}", mode="sim", ours="1", theirs="2") for n in (1, 2)]
    intent = Intent(profile, world.decide(profile, event, {"KXT-1-0": 3_000}), 900, LEGS)
    for number in (0, 1):
        known = Facts(intent.decision, "sim", halt.State.ACTIVE, True)
        known = replace(known, unknown_order=orders[number].pk, lock=locks[number].pk, discrepancy=rows[number].pk)
        found = {refusal.code.value: refusal.detail for refusal in risk.refusals(intent, known)}
        assert str(orders[number].pk) in found["order_unknown"]
        assert f"reason {number + 1}" in found["locked"]
        assert f"k{number + 1}" in found["discrepancy"]


def test_a_position_does_not_count_against_itself() -> None:
    profile, event = world.add_profile(max_open_positions=1, max_per_event=world.DOLLAR), world.add_event()
    decision = world.decide(profile, event, {"KXT-1-0": 3_000}, kind="coverage")
    position = Position.objects.create(
        profile=profile,
        mode="sim",
        decision=decision,
        event=event,
        kind="coverage",
        target_count=1,
        status="executing",
        cost=world.DOLLAR,
    )
    legs = {("KXT-1-0", "yes"): world.DOLLAR}
    found = risk.limits(Intent(profile, decision, world.DOLLAR, legs, position))
    assert (found.active, found.at_risk, found.is_taken) == (0, 0, False)
    with pytest.raises(Denied) as denied:
        risk.limits(Intent(profile, decision, world.DOLLAR, legs))
    assert denied.value.code == "event_taken"


def test_what_is_stored_decides_whether_anything_may_be_sent() -> None:
    profile = world.add_profile()
    risk.may_send(profile, reduces=False)
    halt.set_state(state="reducing", actor="ann", reason="r", profile=profile)
    risk.may_send(profile, reduces=True)
    with pytest.raises(Denied) as denied:
        risk.may_send(profile, reduces=False)
    assert denied.value.code == "reducing"


def test_state_and_switches_decide_about_every_order(settings: Any) -> None:
    wanted = {
        ("active", False): "",
        ("active", True): "",
        ("reducing", False): "reducing",
        ("reducing", True): "",
        ("halted", False): "halted",
        ("halted", True): "halted",
    }
    for (state, reduces), code in wanted.items():
        for mode, switch, off in (("sim", False, ""), ("live", True, ""), ("live", False, "live_off")):
            settings.KALBOT_LIVE = switch
            assert _allowed(state, mode, reduces) == (code or off)


def _allowed(state: str, mode: str, reduces: bool) -> str:
    try:
        risk.allows(halt.State(state), Profile(mode=mode), reduces=reduces)
    except Denied as denied:
        return str(denied.code)
    return ""


PREMISES: dict[str, tuple[dict[str, Any], str]] = {
    "all well": ({}, ""),
    "a market that is gone": ({"gone": True}, "not_active"),
    "NO on an event that is not exclusive": ({"kind": "all_no", "mutually_exclusive": False}, "not_exclusive"),
    "NO on an exclusive event": ({"kind": "all_no"}, ""),
    "other rules": ({"rules_hash": "then"}, "rules_changed"),
    "rules that nobody noted": ({"rules_hash": ""}, ""),
    "a certificate of other rules": ({"certified": "then"}, "certificate"),
    "a certificate that was revoked": ({"certified": None}, "certificate"),
    "a bet without a certificate": ({"kind": "coverage", "certified": None}, ""),
    "a bet on a certificate that was revoked": (
        {"kind": "coverage", "certified": None, "certificate_id": 7},
        "certificate",
    ),
    "two shards": ({"shard": 1}, "shards"),
    "a market that is shut": ({"status": "inactive"}, "not_active"),
    "a market of another event": ({"event_id": "KXT-2"}, "not_active"),
}


def test_what_a_decision_rests_on_is_checked_one_by_one() -> None:
    for what, (columns, code) in PREMISES.items():
        assert _premises(**columns) == code, what


def _premises(gone: bool = False, certified: str | None = "rules", shard: int = 0, **columns: Any) -> str:
    of_event = {key: columns[key] for key in ("mutually_exclusive",) if key in columns}
    of_decision = {key: columns[key] for key in ("kind", "rules_hash", "certificate_id") if key in columns}
    of_market = {key: columns[key] for key in ("status", "event_id") if key in columns}
    event = Event(**({"ticker": "KXT-1", "rules_hash": "rules", "mutually_exclusive": True} | of_event))
    decision = Decision(**(DECISION | {"event": event, "rules_hash": "rules"} | of_decision))
    intent = Intent(Profile(), decision, 900, LEGS)
    rows = [Market(ticker=ticker, event=event, status="active", exchange_index=0) for ticker, _ in LEGS]
    rows[1].exchange_index = shard
    for name, value in of_market.items():
        setattr(rows[1], name, value)
    rows[0].__dict__["certified_rules"] = certified
    intent.__dict__["markets"] = rows[:1] if gone else rows
    try:
        risk.premises(intent)
    except Denied as denied:
        return str(denied.code)
    return ""
