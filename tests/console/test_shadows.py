"""Paper against live on one page: the same decisions side by side, and how far paper flatters."""

from __future__ import annotations

import io
from typing import Any

import pytest
import sample_markets
import sample_positions
from django.core.management import CommandError, call_command
from django.urls import reverse
from test_dialogs import confirm

from kalbot.console.models import Act
from kalbot.console.ui.links import page_url
from strategies.cycle import shadows
from strategies.models import Decision, Profile
from strategies.screening import screening
from trading.models import Position

pytestmark = pytest.mark.alike


def test_the_page_shows_both_sides_of_a_decision_and_their_difference(sample: dict[str, Any], login: Any) -> None:
    live = sample["live"]
    twin = shadows.make(live)
    event = sample_markets.weather_event("NY", "26NOV30")
    ours, theirs = (sample_positions.position(profile, event, "settled") for profile in (live, twin))
    Decision.objects.filter(pk=theirs.decision_id).update(shadow_of=ours.decision_id)
    Position.objects.filter(pk=ours.pk).update(realised=-2_500_000)
    answer = login("viewer").get(reverse("admin:shadows"), {"days": "1"})
    report = answer.context["reports"][0]["report"]
    assert (len(report.pairs), report.live_result, report.paper_result) == (1, -2_500_000, 592_500)
    page = answer.content.decode()
    for words in (twin.name, "+$3.0925", "-$2.50", "KXHIGHNY-26NOV30"):
        assert words in page


def test_a_twin_is_made_in_the_console_and_brought_up_to_date_there(sample: dict[str, Any], login: Any) -> None:
    live, client = sample["live"], login("risk manager", "rita")
    address = reverse("admin:act_make_twin_one", args=[live.pk])
    assert address in client.get(reverse("admin:shadows")).content.decode()
    assert address not in login("viewer").get(reverse("admin:shadows")).content.decode()
    own_page = client.get(page_url("strategies.profile", live.pk)).content.decode()
    assert "make-twin" in own_page
    assert "make-twin" not in client.get(page_url("strategies.profile", sample["careful"].pk)).content.decode()
    assert "There is a profile careful already" in confirm(client, address, name="careful").content.decode()
    assert confirm(client, address, name="beside").headers["HX-Redirect"]
    twin = Profile.objects.get(name="beside")
    assert (twin.shadow_of, twin.mode, twin.is_active) == (live, "sim", True)
    assert twin.history.latest().history_change_reason == f"paper twin of {live.name}: because of the test"
    Profile.objects.filter(pk=live.pk).update(max_daily_loss=7_000_000)
    assert "→ $7.00" in client.get(address).content.decode()
    assert "it keeps its name" in confirm(client, address, name="another").content.decode()
    confirm(client, address, name="beside")
    twin.refresh_from_db()
    assert twin.max_daily_loss == 7_000_000
    assert [act.outcome for act in Act.objects.filter(name="make_twin").order_by("pk")] == [
        *("refused", "done", "refused", "done")
    ]


def test_a_profile_on_paper_has_no_twin(sample: dict[str, Any], login: Any) -> None:
    address = reverse("admin:act_make_twin_one", args=[sample["careful"].pk])
    assert "is on paper itself" in login("risk manager").get(address).content.decode()


def test_the_way_back_to_live_leads_to_the_twin_whose_record_it_asks_for(sample: dict[str, Any], login: Any) -> None:
    live = sample["live"]
    Profile.objects.filter(pk=live.pk).update(is_active=False)
    client, address = login("risk manager"), reverse("admin:act_make_twin_one", args=[live.pk])
    assert address in client.get(reverse("admin:act_go_live_one", args=[live.pk])).content.decode()
    assert "decides for itself" in client.get(address).content.decode()
    confirm(client, address, name="live-paper")
    assert "live-paper" in [one.name for one in screening.active_profiles()]
    Profile.objects.filter(pk=live.pk).update(is_active=True)
    assert "live-paper" not in [one.name for one in screening.active_profiles()]


def test_the_commands_of_twins_are_kept_with_their_reason(sample: dict[str, Any]) -> None:
    live = sample["live"]
    with pytest.raises(CommandError, match="--reason"):
        call_command("shadow", live.name)
    for arguments, name in (([], "make_twin"), (["--stop"], "stop_twin")):
        call_command("shadow", live.name, *arguments, reason="from a shell", actor="tom", stdout=io.StringIO())
        act = Act.objects.get(name=name)
        assert (act.actor, act.reason, act.target) == ("tom", "from a shell", live.name)
    twin = live.shadows.get()
    assert not twin.is_active
    assert "from a shell" in twin.history.latest().history_change_reason
