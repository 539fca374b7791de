"""Profiles are edited in dollars and contracts, wrong values are refused in words, and loosening a limit is said."""

from __future__ import annotations

import re
from typing import Any

from django.urls import reverse

from kalbot.console.ui.fields import BlackoutField
from strategies.models import Profile


def filled_form(client: Any, profile: Profile) -> tuple[str, dict[str, Any]]:
    """Address of the form, and what a browser would send if nothing were changed."""
    address = reverse("admin:strategies_profile_change", args=[profile.pk])
    form = client.get(address).context["adminform"].form
    data: dict[str, Any] = {}
    for name in form.fields:
        value = form[name].value()
        if value is None or value is False:
            continue
        data[name] = "on" if value is True else value
    return address, data


def test_amounts_are_shown_in_dollars_contracts_and_per_cent(sample: dict[str, Any], login: Any) -> None:
    _, data = filled_form(login("risk manager"), sample["careful"])
    assert (data["capital"], data["min_profit"], data["count_step"], data["near_miss_ppm"]) == (
        "1000.00",
        "0.10",
        "1",
        "5",
    )


def test_an_unchanged_form_changes_nothing(sample: dict[str, Any], login: Any) -> None:
    client = login("risk manager")
    before = Profile.objects.filter(pk=sample["careful"].pk).values().get()
    address, data = filled_form(client, sample["careful"])
    assert client.post(address, data).status_code == 302
    assert Profile.objects.filter(pk=sample["careful"].pk).values().get() == before


def test_a_good_value_is_stored_exactly_with_its_reason_and_a_warning_when_looser(
    sample: dict[str, Any], login: Any
) -> None:
    client = login("risk manager", "rita")
    address, data = filled_form(client, sample["careful"])
    data |= {"max_per_event": "$350.25", "reason": "larger limit for weather"}
    answer = client.post(address, data, follow=True)
    profile = Profile.objects.get(pk=sample["careful"].pk)
    assert profile.max_per_event == 350_250_000
    assert "Loosened: Most in one event: $200.00 → $350.25." in answer.content.decode()
    history = profile.history.first()
    assert (history.history_change_reason, history.history_user.username) == ("larger limit for weather", "rita")
    page = client.get(reverse("admin:strategies_profile_history", args=[profile.pk])).content.decode()
    assert "larger limit for weather" in page
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "Most in one event (loosened)" in text
    assert "$200.00" in text
    assert "$350.25" in text
    assert "350250000" not in text
    assert "Updated at" not in text


def test_a_limit_is_not_changed_without_a_reason(sample: dict[str, Any], login: Any) -> None:
    client = login("risk manager")
    address, data = filled_form(client, sample["careful"])
    page = client.post(address, data | {"max_daily_loss": "10"}).content.decode()
    assert "Please say why; you are changing: daily loss, at most." in page
    assert Profile.objects.get(pk=sample["careful"].pk).max_daily_loss == 50_000_000


def test_bad_values_are_refused_in_words(sample: dict[str, Any], login: Any) -> None:
    client = login("risk manager")
    address, data = filled_form(client, sample["careful"])
    bad = {
        "capital": "a lot",
        "min_profit": "0.0000001",
        "coverage_threshold_ppm": "190",
        "blackout": "at night",
        "kinds": [],
    }
    page = client.post(address, data | bad | {"reason": "trying"}).content.decode()
    for words in (
        "write digits such as 12.50",
        "finer than 6 decimal places",
        "Must be at most 100 %",
        "is not a time of day",
        "Choose at least one kind of basket",
    ):
        assert words in page


def test_problems_between_fields_stand_at_their_field(sample: dict[str, Any], login: Any) -> None:
    client = login("risk manager")
    address, data = filled_form(client, sample["careful"])
    page = client.post(address, data | {"min_outcomes": "9", "max_outcomes": "3", "reason": "trying"})
    assert "leave no event" in str(page.context["adminform"].form.errors["max_outcomes"])


def test_a_stale_form_does_not_take_back_in_silence_what_another_changed(sample: dict[str, Any], login: Any) -> None:
    client = login("risk manager")
    address, data = filled_form(client, sample["careful"])
    Profile.objects.filter(pk=sample["careful"].pk).update(capital=777_000_000)
    page = client.post(address, data | {"description": "new words"})
    assert "you are changing: capital" in page.content.decode()
    assert Profile.objects.get(pk=sample["careful"].pk).capital == 777_000_000


def test_viewers_and_operators_read_profiles_and_change_none(sample: dict[str, Any], login: Any) -> None:
    for role in ("viewer", "operator"):
        client = login(role)
        address = reverse("admin:strategies_profile_change", args=[sample["careful"].pk])
        assert client.get(address).status_code == 200
        assert client.post(address, {"description": "mine"}).status_code == 403


def test_no_form_changes_orders_fills_ledger_or_events(sample: dict[str, Any], login: Any) -> None:
    client = login()  # not even a superuser
    for label in (
        "trading_order",
        "trading_fill",
        "trading_ledgertransaction",
        "trading_positionevent",
        "trading_position",
        "strategies_decision",
    ):
        assert client.get(reverse(f"admin:{label}_add")).status_code == 403
        pk = client.get(reverse(f"admin:{label}_changelist")).context["cl"].result_list[0].pk
        assert client.post(reverse(f"admin:{label}_change", args=[pk]), {"status": "open"}).status_code == 403
        assert client.post(reverse(f"admin:{label}_delete", args=[pk]), {"post": "yes"}).status_code == 403


def test_pauses_are_written_with_weekday_and_zone(sample: dict[str, Any], login: Any) -> None:
    client = login("risk manager")
    address, data = filled_form(client, sample["careful"])
    pauses = "Thu 03:00-05:00 America/New_York, 23:30-00:30"
    assert client.post(address, data | {"blackout": pauses}).status_code == 302
    assert Profile.objects.get(pk=sample["careful"].pk).blackout == pauses.split(", ")
    assert pauses in client.get(address).content.decode()
    page = client.post(address, filled_form(client, sample["careful"])[1] | {"day_zone": "Mars"}).content.decode()
    assert "is no time zone" in page


def test_pauses_kept_as_pairs_of_utc_times_are_shown_and_are_no_change() -> None:
    field = BlackoutField()
    assert field.prepare_value([["07:00", "09:00"]]) == "07:00-09:00"
    assert not field.has_changed([["07:00", "09:00"]], "07:00-09:00")
    assert field.has_changed([["07:00", "09:00"]], "07:00-09:30")
