"""Profiles are edited in dollars and contracts, wrong values are refused in words, and loosening a limit is said."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.admin.utils import flatten
from django.urls import reverse

from kalbot.console.admin.profiles import profile_risk
from kalbot.console.admin.profiles.profile_form import FIELDSETS
from kalbot.console.ui.fields import BlackoutField
from strategies.models import Profile

pytestmark = pytest.mark.alike


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


def test_every_problem_is_shown_at_once(sample: dict[str, Any], login: Any) -> None:
    """A reason that is missing, an amount that is none, a problem between fields and a contradiction: one refusal names them all."""
    client = login("risk manager")
    address, data = filled_form(client, sample["careful"])
    wrong = {"max_daily_loss": "plenty", "max_outcomes": "1", "max_open_positions": "0", "leg_risk_budget": "0"}
    found = client.post(address, data | wrong | {"reason": ""}).context["adminform"].form.errors
    assert set(found) == {"reason", *wrong}
    assert "no basket is begun" in str(found["leg_risk_budget"])


def test_nothing_is_said_of_an_amount_that_could_not_be_read(sample: dict[str, Any], login: Any) -> None:
    """The capital that was meant may carry it: only what is wrong with any capital is said."""
    client = login("risk manager")
    address, data = filled_form(client, sample["careful"])
    wrong = {"capital": "5o00", "max_per_event": "4000", "max_per_position": "4100", "reason": "larger"}
    found = client.post(address, data | wrong).context["adminform"].form.errors
    assert set(found) == {"capital", "max_per_position"}


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
    assert client.post(address, data | {"blackout": pauses, "reason": "the pause"}).status_code == 302
    assert Profile.objects.get(pk=sample["careful"].pk).blackout == pauses.split(", ")
    assert pauses in client.get(address).content.decode()
    page = client.post(
        address, filled_form(client, sample["careful"])[1] | {"day_zone": "Mars", "reason": "x"}
    ).content.decode()
    assert "is no time zone" in page


def test_pauses_kept_as_pairs_of_utc_times_are_shown_and_are_no_change() -> None:
    field = BlackoutField()
    assert field.prepare_value([["07:00", "09:00"]]) == "07:00-09:00"
    assert not field.has_changed([["07:00", "09:00"]], "07:00-09:00")
    assert field.has_changed([["07:00", "09:00"]], "07:00-09:30")


def test_every_setting_is_placed_by_what_a_change_of_it_risks() -> None:
    tables = (
        profile_risk.HARMLESS,
        set(profile_risk.MORE_IS_LOOSER),
        set(profile_risk.LOOSER_BY_ORDER),
        set(profile_risk.MORE_ENTRIES_ARE_LOOSER),
        profile_risk.NO_ORDER,
    )
    shown = {name for _, options in FIELDSETS for name in flatten(options["fields"])} - {"mode", "shadow_of"}
    assert shown == set().union(*tables)
    assert sum(map(len, tables)) == len(shown)


@pytest.mark.parametrize(
    ("name", "before", "after", "looser"),
    [
        ("least_grade", "guaranteed", "if_determined", True),
        ("least_grade", "if_determined", "guaranteed", False),
        ("triage_policy", "advise", "any", True),
        ("profits", "wait", "keep", True),
        ("profits", "keep", "sweep", False),
        ("kinds", ["all_no"], ["all_no", "coverage"], True),
        ("kinds", ["all_no", "coverage"], ["all_no"], False),
        ("categories", ["Politics"], [], True),
        ("categories", [], ["Politics"], False),
        ("categories", ["Politics"], ["Politics", "Sports"], True),
        ("series_exclude", ["KXA", "KXB"], ["KXB"], True),
        ("series_exclude", [], ["KXB"], False),
        ("blackout", [["03:00", "05:00"]], [], True),
        ("lend_above", None, 5, True),
        ("lend_above", 5, None, False),
        ("quoting", "none", "a way that is not known", True),
        ("max_per_leg", 2, 3, True),
        ("min_margin_ppm", 2, 3, False),
    ],
)
def test_what_lets_more_risk_in_is_called_so(name: str, before: Any, after: Any, looser: bool) -> None:
    assert profile_risk.loosened(name, before, after) is looser


def test_no_setting_that_decides_what_is_bought_changes_without_a_reason(sample: dict[str, Any], login: Any) -> None:
    client, profile = login("risk manager"), sample["careful"]
    address, data = filled_form(client, profile)
    page = client.post(address, data | {"least_grade": "if_determined"}).content.decode()
    assert "Please say why; you are changing: least grade." in page.replace("how sure, at least", "least grade")
    assert Profile.objects.get(pk=profile.pk).least_grade == "guaranteed"
    changed = {"least_grade": "if_determined", "kinds": ["all_yes", "all_no", "coverage"], "reason": "trying"}
    answer = client.post(address, data | changed, follow=True).content.decode()
    assert "guaranteed → guaranteed if determined." in answer
    assert "YES on the likely outcomes" in answer
    assert client.post(address, filled_form(client, profile)[1] | {"description": "only words"}).status_code == 302


def test_quoting_one_leg_of_a_family_is_chosen_in_words_and_refused_without_its_kind(
    sample: dict[str, Any], login: Any
) -> None:
    client, profile = login("risk manager"), sample["careful"]
    address, data = filled_form(client, profile)
    assert "One leg of a family" in client.get(address).content.decode()
    chosen: dict[str, Any] = {
        "quoting": "one_leg",
        "quote_sides": "both",
        "quote_families": "on",
        "reason": "one value, two events",
    }
    chosen |= {"kinds": ["all_no"], "quote_min_margin_ppm": "5", "orphan_budget": "20", "orphan_budget_day": "50"}
    refused = client.post(address, data | chosen).context["adminform"].form.errors
    assert "not among the kinds of basket" in str(refused["quote_families"])
    answer = client.post(address, data | chosen | {"kinds": ["family"]}, follow=True).content.decode()
    stored = Profile.objects.get(pk=profile.pk)
    assert (stored.quote_families, stored.quoting, stored.kinds) == (True, "one_leg", ["family"])
    assert "Loosened: " in answer
    assert "One leg of a family: no → yes" in answer
