"""The page of open positions, and exits of several positions or of a part of one from the console."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
import sample_positions
from django.db import OperationalError
from django.test import Client
from django.urls import reverse
from test_dialogs import confirm
from test_obstacles import a_pause

from kalbot.common import clock
from kalbot.console.models import Act
from kalbot.console.pages.positions import open_positions
from trading.closing import exit_preview, exits, marks
from trading.models import ExitRequest, Position
from trading.safety import halt
from triage.models import Recommendation

pytestmark = pytest.mark.alike

Login = Callable[..., Client]


@pytest.fixture
def held(sample: dict[str, Any]) -> list[Position]:
    """The sample's open positions."""
    return list(open_positions.matching())


def test_marks_are_what_a_preview_of_each_says(held: list[Position]) -> None:
    found = marks.of(held)
    assert len(held) > 1
    for position in held:
        preview, mark = exit_preview.preview(position), found[position.pk]
        assert mark.unpriced == preview.unpriced or not preview.legs
        if mark.proceeds is not None:
            assert (mark.proceeds, mark.unsellable) == (preview.proceeds, preview.unsellable)
    assert any(mark.proceeds for mark in found.values())


def test_the_number_of_queries_does_not_grow_with_the_positions(
    held: list[Position], django_assert_num_queries: Any
) -> None:
    marks.of(held)
    with django_assert_num_queries(2):
        marks.of(held[:1])
    with django_assert_num_queries(2):
        marks.of(held)


def test_totals_are_the_sums_of_their_rows_and_modes_stay_apart(held: list[Position]) -> None:
    rows = open_positions.valued(held)
    found = open_positions.totals(rows)
    assert [one.mode for one in found if one.profile is None] == [
        mode for mode in ("live", "sim") if any(row.position.mode == mode for row in rows)
    ]
    for total in found:
        own = [row for row in rows if row.position.mode == total.mode and total.profile in (None, row.position.profile)]
        assert (total.number, total.cost) == (len(own), sum(row.position.cost for row in own))
        known = [row.unrealised for row in own if row.unrealised is not None]
        assert total.unpriced == len(own) - len(known)
        assert total.unrealised == (sum(known) if known else None)
        assert (total.proceeds is None) == (not known)
        assert (total.proceeds or 0) - sum(row.position.cost for row in own if row.unrealised is not None) == sum(known)


@pytest.mark.parametrize("sort", ["", *(f"{sign}{name}" for name in open_positions.SORTS for sign in ("", "-"))])
def test_every_order_has_live_first_and_what_is_not_known_last(sort: str, held: list[Position]) -> None:
    rows = open_positions.ordered(open_positions.valued(held), sort)
    modes = [row.position.mode for row in rows]
    assert modes == sorted(modes, key=lambda mode: mode != "live")
    for mode in set(modes):
        gains = [row.unrealised for row in rows if row.position.mode == mode]
        if sort == "-unrealised":
            known = [gain for gain in gains if gain is not None]
            assert gains == sorted(known, reverse=True) + [None] * (len(gains) - len(known))


def test_the_page_filters_and_offers_exits_to_those_who_may(sample: dict[str, Any], login: Login) -> None:
    address = reverse("admin:open_positions")
    viewer = login("viewer").get(address).content.decode()
    assert f"#{sample['held'].pk}</a>" in viewer
    assert "Exit all" not in viewer
    assert "Exit the chosen ones" not in viewer
    client = login("operator")
    page = client.get(address, {"mode": sample["held"].mode, "q": sample["held"].event_id}).content.decode()
    assert 'name="id"' in page
    assert len(re.findall(r'name="id" value="\d+"', page)) == 1
    for strange in (
        {"mode": "x"},
        {"profile": "nobody"},
        {"sort": "nonsense"},
        {"p": "999"},
        {"q": "#99999999999999999999"},
    ):
        assert client.get(address, strange).status_code == 200, strange
    assert "these filters leave" in client.get(address, {"q": "no such event"}).content.decode()


def test_several_are_exited_with_one_reason_and_the_refused_one_is_named(sample: dict[str, Any], login: Login) -> None:
    first = sample["held"]
    mates = [
        one for one in open_positions.matching(first.mode, "", "") if one.pk != first.pk and exits.why_not(one) is None
    ]
    other = mates[0] if mates else sample_positions.position(first.profile, sample["events"][1])
    Position.objects.filter(pk=other.pk).update(status="executing")
    client = login("operator", "olga")
    address = reverse("admin:act_exit_several_one", args=[f"{first.pk},{other.pk}"])
    shown = client.get(address).content.decode()
    assert f"#{first.pk} NO " in shown
    assert f"Cannot be exited now: #{other.pk}." in shown
    answer = confirm(client, address, positions=f"{first.pk},{other.pk}")
    assert answer.headers["HX-Redirect"] == reverse("admin:open_positions")
    request = ExitRequest.objects.get()
    assert (request.position_id, request.actor, request.reason) == (first.pk, "olga", "because of the test")
    act = Act.objects.get(name="exit_several")
    assert act.outcome == "done"
    assert f"#{other.pk} is not: The basket is still being bought" in act.result


def test_all_of_a_mode_is_what_the_dialog_showed_and_modes_are_not_mixed(sample: dict[str, Any], login: Login) -> None:
    client = login("operator")
    base = reverse("admin:act_exit_several")
    assert client.get(base).status_code == 404, "nothing chosen is not everything"
    assert client.post(base, {"token": "t", "reason": "because"}).status_code == 200
    assert not ExitRequest.objects.exists()
    mode = sample["held"].mode
    shown = client.get(base, {"mode": mode}).content.decode()
    listed = re.search(r'name="positions" value="([^"]+)"', shown)
    assert listed is not None
    assert set(listed[1].split(",")) == {str(one.pk) for one in open_positions.matching(mode, "", "")}
    both = ",".join(str(open_positions.matching(each, "", "")[0].pk) for each in ("live", "sim"))
    form = {"token": "t", "reason": "all of it", "positions": both}
    mixed = client.post(reverse("admin:act_exit_several_one", args=[both]), form)
    assert "choose those of one mode" in mixed.content.decode()
    assert not ExitRequest.objects.exists()


def test_what_a_halt_will_hold_is_said_before(sample: dict[str, Any], login: Login) -> None:
    halt.set_state(state="halted", actor="t", reason="t")
    client, pk = login("operator"), sample["held"].pk
    for name in ("force_exit", "exit_several"):
        shown = client.get(reverse(f"admin:act_{name}_one", args=[str(pk)])).content.decode()
        assert "only cancels are sent" in shown, name


def test_a_share_is_shown_before_it_is_confirmed_and_sold_as_shown(sample: dict[str, Any], login: Login) -> None:
    held, client = sample["held"], login("operator")
    address = reverse("admin:act_force_exit_one", args=[held.pk])
    shown = client.get(address, {"share": "40", "reason": "less of it"}).content.decode()
    assert "They pay at least" in shown
    assert 'value="less of it"' in shown, "what was written is kept"
    confirm(client, address, share="40", below_floor="a part is enough")
    request = ExitRequest.objects.get()
    assert {row["count"] for row in request.counts} == {1_000}
    assert "part of position" in Act.objects.get().result


def test_counts_of_one_leg_say_what_is_left_naked_and_both_at_once_is_refused(
    sample: dict[str, Any], login: Login
) -> None:
    held, client = sample["held"], login("operator")
    address = reverse("admin:act_force_exit_one", args=[held.pk])
    leg = held.legs.first()
    line = f"{leg.side} {leg.market_id} 3"
    shown = client.get(address, {"counts": line}).content.decode()
    assert "without their basket" in shown
    both = confirm(client, address, counts=line, share="40").content.decode()
    assert "not both" in both
    unread = confirm(client, address, counts="three of them").content.decode()
    assert "This line is not a leg and a count" in unread
    assert not ExitRequest.objects.exists()
    confirm(client, address, counts=line, below_floor="this leg only")
    assert [row["count"] for row in ExitRequest.objects.get().counts] == [300]


def test_an_exit_under_way_is_said_and_can_be_withdrawn(sample: dict[str, Any], login: Login) -> None:
    held, client = sample["held"], login("operator", "olga")
    address = reverse("admin:act_force_exit_one", args=[held.pk])
    withdraw = reverse("admin:act_withdraw_exit_one", args=[held.pk])
    page = reverse("admin:trading_position_change", args=[held.pk])
    assert "No exit of this position is under way" in client.get(withdraw).content.decode()
    assert "withdraw-exit" not in client.get(page).content.decode()
    confirm(client, address)
    assert "is under way: olga requested it" in client.get(address).content.decode()
    assert "withdraw-exit" in client.get(page).content.decode()
    again = confirm(client, address, least_prices="")
    assert again.headers["HX-Redirect"]
    assert ExitRequest.objects.count() == 1
    confirm(client, withdraw)
    assert ExitRequest.objects.get().status == "cancelled"
    assert clock.now() >= ExitRequest.objects.get().created_at


def test_what_a_pause_of_the_exchange_will_hold_is_said_before(sample: dict[str, Any], login: Login) -> None:
    client, pk = login("operator"), sample["held"].pk
    for name in ("force_exit", "exit_several"):
        address = reverse(f"admin:act_{name}_one", args=[str(pk)])
        assert "takes no orders now" not in client.get(address).content.decode(), name
    a_pause(sample)
    for name in ("force_exit", "exit_several"):
        address = reverse(f"admin:act_{name}_one", args=[str(pk)])
        assert "takes no orders now" in client.get(address).content.decode(), name


def test_an_exit_that_a_halt_holds_is_not_called_on_its_way(sample: dict[str, Any], login: Login) -> None:
    halt.set_state(state="halted", actor="t", reason="t")
    client, pk = login("operator"), sample["held"].pk
    confirm(client, reverse("admin:act_force_exit_one", args=[pk]))
    confirm(client, reverse("admin:act_exit_several_one", args=[str(pk)]), positions=str(pk))
    Recommendation.objects.update(advice="exit")
    advice = Recommendation.objects.get(position=pk, status="open")
    address = reverse("admin:act_accept_advice_one", args=[advice.pk])
    assert "only cancels are sent" in client.get(address).content.decode()
    confirm(client, address)
    results = dict(Act.objects.values_list("name", "result"))
    assert set(results) == {"force_exit", "exit_several", "accept_advice"}
    for name, result in results.items():
        assert "only cancels are sent" in result, name
        assert "on its way" not in result, name
        assert "on the way" not in result, name
    page = client.get(reverse("admin:position_progress", args=[pk])).content.decode()
    assert "only cancels are sent" in page
    assert "On its way" not in page


def test_a_fault_of_one_exit_is_named_and_holds_up_no_other(
    sample: dict[str, Any], login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sample["held"]
    other = sample_positions.position(first.profile, sample["events"][1])
    plain = exits.request_exit

    def broken(**values: Any) -> ExitRequest:
        if values["position_id"] == first.pk:
            raise OperationalError("database is locked")
        return plain(**values)

    monkeypatch.setattr(exits, "request_exit", broken)
    both = f"{first.pk},{other.pk}"
    answer = confirm(login("operator"), reverse("admin:act_exit_several_one", args=[both]), positions=both)
    assert answer.headers["HX-Redirect"]
    assert [request.position_id for request in ExitRequest.objects.all()] == [other.pk]
    result = Act.objects.get().result
    assert result.startswith("1 exit is on the way.")
    assert f"Could not be requested: #{first.pk}" in result


def test_least_prices_of_another_position_or_of_a_leg_twice_are_refused(sample: dict[str, Any], login: Login) -> None:
    held, client = sample["held"], login("operator")
    leg = held.legs.first()
    line = f"{leg.side} {leg.market_id}"
    one, several = (reverse(f"admin:act_{name}_one", args=[held.pk]) for name in ("force_exit", "exit_several"))
    other = confirm(client, several, positions=str(held.pk), least_prices=f"#{held.pk + 990} {line} 0.9")
    assert "not among the chosen positions" in other.content.decode()
    for address, prices in (
        (several, f"#{held.pk} {line} 0.9\n#{held.pk} {line} 0.1"),
        (one, f"{line} 0.9\n{line} 0.1"),
    ):
        answer = confirm(client, address, positions=str(held.pk), least_prices=prices)
        assert "stands there twice" in answer.content.decode()
    assert "stands there twice" in confirm(client, one, counts=f"{line} 3\n{line} 4").content.decode()
    assert not ExitRequest.objects.exists()


def test_exits_of_a_total_are_those_that_it_counts(sample: dict[str, Any], login: Login) -> None:
    """The totals of a filtered page had buttons that would have exited every position of the mode."""
    client, words = login("operator"), sample["paper"].event_id
    assert len(open_positions.matching("sim")) > 1
    page = client.get(reverse("admin:open_positions"), {"q": words}).content.decode()
    link = re.search(r'href="([^"]+mode=sim&amp;q=[^"]+)">Exit these', page)
    assert link is not None
    shown = client.get(unescape(link[1])).content.decode()
    assert f'name="positions" value="{sample["paper"].pk}"' in shown
