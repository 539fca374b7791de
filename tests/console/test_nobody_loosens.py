"""Nobody loosens by accident: old forms are refused with a diff, schedules need a risk manager and a reason, all of it is audited."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from datetime import UTC, datetime, time, timedelta
from io import StringIO
from typing import Any

import addresses as site_addresses
import pytest
import sample_positions
import sample_rest
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import models
from django.test import Client, RequestFactory
from django.urls import reverse
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from kalbot.common import clock, messages
from kalbot.console.admin.lists.versions import SeenForm
from kalbot.console.dialogs import DIALOGS
from kalbot.console.models import Act, Channel, Rule
from kalbot.console.notify import addresses
from kalbot.console.ops import schedules
from markets.models import Certificate
from markets.terms import certificates
from strategies.models import Profile
from strategies.profiles import history
from trading.models import Lock, TradingState
from trading.safety import halt

pytestmark = pytest.mark.alike

Login = Callable[..., Client]
SMALLER = {
    **dict.fromkeys(("max_per_event", "max_per_position", "max_per_leg"), "20"),
    "max_daily_loss": "5",
    "reason": "smaller for now",
}


def fields_of(client: Client, address: str) -> dict[str, Any]:
    """What a browser would send back of the form at ``address``, unchanged."""
    form = client.get(address).context["adminform"].form
    values: dict[str, Any] = {}
    for name in form.fields:
        value = form[name].value()
        shown = form.fields[name].prepare_value(value)
        if isinstance(value, bool):
            values |= {name: "on"} if value else {}
        elif shown is not None:
            values[name] = shown
    return values


def test_an_old_form_does_not_put_limits_back(sample: dict[str, Any], login: Login) -> None:
    profile = sample["careful"]
    address = reverse("admin:strategies_profile_change", args=[profile.pk])
    first, second = login("risk manager", "rita"), login("risk manager", "rob")
    old = fields_of(second, address)
    mine = fields_of(first, address) | SMALLER
    assert first.post(address, mine).status_code == 302
    answer = second.post(address, old | {"description": "a better text", "reason": "a better text"})
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "Somebody changed this since you opened it" in page
    assert "Most in one event: it was $200.00 when you opened it and is $20.00 now." in page
    profile.refresh_from_db()
    assert (profile.max_per_event, profile.max_daily_loss) == (20_000_000, 5_000_000)
    assert profile.description != "a better text"
    again = fields_of(second, address) | {"description": "a better text", "reason": "a better text"}
    assert second.post(address, again).status_code == 302


def test_a_form_without_its_version_is_refused(sample: dict[str, Any], login: Login) -> None:
    address = reverse("admin:strategies_profile_change", args=[sample["careful"].pk])
    client = login("risk manager")
    values = fields_of(client, address) | {"max_per_event": "350", "reason": "no version"}
    for forged in ("", "forged:token"):
        assert "which version" in client.post(address, values | {"seen": forged}).content.decode()
    assert Profile.objects.get(pk=sample["careful"].pk).max_per_event == 200_000_000


@pytest.fixture
def sweeper(sample: dict[str, Any]) -> PeriodicTask:
    """The schedule of the sweeper."""
    schedules.seed()
    return PeriodicTask.objects.get(task=messages.SWEEP)


def test_an_operator_cannot_switch_off_the_sweeper(sweeper: PeriodicTask, login: Login) -> None:
    address = reverse("admin:django_celery_beat_periodictask_change", args=[sweeper.pk])
    assert login("operator").post(address, {"interval": sweeper.interval_id, "expire_seconds": 1}).status_code == 403
    sweeper.refresh_from_db()
    assert sweeper.enabled


def test_a_schedule_changes_with_a_reason_that_is_kept(sweeper: PeriodicTask, login: Login) -> None:
    address = reverse("admin:django_celery_beat_periodictask_change", args=[sweeper.pk])
    client = login("risk manager")
    values = fields_of(client, address)
    values.pop("enabled")
    assert client.post(address, values).status_code == 200
    sweeper.refresh_from_db()
    assert sweeper.enabled, "no reason, no change"
    answer = client.post(address, values | {"reason": "moving machines", "expire_seconds": "1"})
    assert "one run does for all that waited" in answer.content.decode(), "busy workers would take none"
    assert client.post(address, values | {"reason": "moving machines"}).status_code == 302
    act = Act.objects.get(name="change_schedule")
    assert (act.actor, act.reason, act.target) == ("risk-manager", "moving machines", "sweep")
    assert act.shown == [["enabled", "True → False"]]


def test_an_old_form_of_a_schedule_is_refused(sweeper: PeriodicTask, login: Login) -> None:
    address = reverse("admin:django_celery_beat_periodictask_change", args=[sweeper.pk])
    client = login("risk manager")
    old = fields_of(client, address)
    PeriodicTask.objects.filter(pk=sweeper.pk).update(enabled=False)
    answer = client.post(address, old | {"expire_seconds": "1", "reason": "shorter"})
    assert "Enabled: it was True when you opened it and is False now." in answer.content.decode()


def confirm(client: Client, address: str, **values: str) -> str:
    """Open the dialog and confirm it; the answer as text."""
    form = client.get(address).context["form"]
    return client.post(address, {name: form[name].value() or "" for name in form.fields} | values).content.decode()


def test_a_certificate_that_changed_meanwhile_is_not_reviewed(sample: dict[str, Any], login: Login) -> None:
    event, client = sample["events"][1], login("risk manager")
    address = reverse("admin:act_grant_certificate_one", args=[event.pk])
    form = client.get(address).context["form"]
    values = {name: form[name].value() or "" for name in form.fields} | {"reason": "the rules name all"}
    certificates.grant(event, "rob", "read it")
    certificates.revoke(event, "rob", "read it again")
    assert "changed while you were reading" in client.post(address, values).content.decode()
    assert Certificate.objects.filter(event=event).order_by("-version")[0].status == "revoked"
    assert "changed while" not in confirm(client, address, reason="the rules name all")


def test_a_lock_that_was_prolonged_meanwhile_is_not_removed(sample: dict[str, Any], login: Login) -> None:
    lock = Lock.objects.create(code="residual", reason="one leg", until=clock.now() + timedelta(minutes=1))
    client, address = login("risk manager"), reverse("admin:act_remove_lock_one", args=[lock.pk])
    form = client.get(address).context["form"]
    values = {name: form[name].value() or "" for name in form.fields} | {"reason": "checked it"}
    Lock.objects.filter(pk=lock.pk).update(reason="three legs")
    assert "changed while you were reading" in client.post(address, values).content.decode()
    assert Lock.objects.filter(pk=lock.pk).exists()


def test_a_resume_of_another_halt_is_not_confirmed(sample: dict[str, Any], login: Login) -> None:
    halt.set_state(state="reducing", actor="otto", reason="thin books")
    client, address = login("risk manager"), reverse("admin:act_resume")
    form = client.get(address).context["form"]
    values = {name: form[name].value() or "" for name in form.fields} | {"reason": "books are fine"}
    halt.set_state(state="halted", actor="kalbot", reason="the cash differs")
    assert "changed while you were reading" in client.post(address, values).content.decode()
    assert halt.current() == "halted"


def test_the_command_line_is_in_the_audit_log(sample: dict[str, Any]) -> None:
    out = StringIO()
    call_command("halt", "--reason", "thin books", "--actor", "root", stdout=out)
    assert "all profiles: reducing" in out.getvalue()
    call_command("halt", "--reason", "odd prices", "--cancels-only", "--actor", "root", stdout=out)
    assert halt.current() == "halted"
    Lock.objects.create(code="leg_failures", reason="three", actor="kalbot", until=clock.now() + timedelta(hours=1))
    call_command("resume", "--reason", "sound again", "--actor", "root", stdout=out)
    assert "in force: active\nNew baskets stay impossible for all profiles all the same: " in out.getvalue()
    with pytest.raises(CommandError, match="needs --reason"):
        call_command("calibration", "--tape", "tape", "--use")
    found = list(Act.objects.order_by("id").values_list("name", "actor", "reason"))
    assert found == [("halt", "root", "thin books"), ("halt", "root", "odd prices"), ("resume", "root", "sound again")]


def test_a_blank_reason_is_none_at_the_command_line(sample: dict[str, Any]) -> None:
    before = Act.objects.count()
    for command in (
        *(("halt",), ("resume",), ("shadow", "live"), ("reconcile", "--accept-cash"), ("adopt", "--leave", "K")),
        ("identity", "--accept"),
        ("calibration", "--tape", "tape", "--use"),
    ):
        for reason in ("", "   ", " x "):
            with pytest.raises(CommandError, match="say why"):
                call_command(*command, "--reason", reason)
    assert Act.objects.count() == before


def test_a_release_makes_nothing_active_that_is_halted_for_want_of_its_state(sample: dict[str, Any]) -> None:
    TradingState.objects.all().delete()
    call_command("seed", verbosity=0)
    assert halt.current() == "halted"
    assert TradingState.objects.get(scope="global").actor == "seed"


def test_users_and_their_roles_are_in_the_audit_log(sample: dict[str, Any], login: Login) -> None:
    chief = login()
    passwords = {"password1": "correct-horse-battery", "password2": "correct-horse-battery"}
    assert chief.post(reverse("admin:auth_user_add"), {"username": "nina", **passwords}).status_code == 302
    act = Act.objects.get(name="add_user")
    assert (act.actor, act.target) == ("chief", "nina")
    assert "horse" not in str(act.__dict__)
    listed = chief.get(reverse("admin:console_act_changelist"), {"actor": "chief", "q": "nina"})
    assert [one.pk for one in listed.context["cl"].result_list] == [act.pk]


def test_a_short_password_is_refused(sample: dict[str, Any], login: Login) -> None:
    short = {"username": "nina", "password1": "short-one", "password2": "short-one"}
    assert "at least 12 characters" in login().post(reverse("admin:auth_user_add"), short).content.decode()


def opened(client: Client, address: str, **values: str) -> dict[str, str]:
    """What a browser would send back of the dialog at ``address``, filled in."""
    form = client.get(address).context["form"]
    return {name: form[name].value() or "" for name in form.fields} | {"reason": "a good reason"} | values


@pytest.mark.parametrize("by", ["dialog", "command"])
def test_halting_never_takes_a_stricter_halt_back(by: str, sample: dict[str, Any], login: Login) -> None:
    client, address = login("operator"), reverse("admin:act_halt")
    old = opened(client, address, level="reducing")
    halt.set_state(state="halted", actor="rita", reason="the books are wrong")
    if by == "dialog":
        assert "It is HALTED already" in client.post(address, old).content.decode()
    else:
        with pytest.raises(CommandError, match="It is HALTED already"):
            call_command("halt", "--reason", "thin books")
    assert halt.row_of().state == "halted"


def test_a_risk_manager_goes_from_halted_to_reducing(sample: dict[str, Any], login: Login) -> None:
    halt.set_state(state="halted", actor="otto", reason="odd prices")
    client, address = login("risk manager"), reverse("admin:act_resume")
    assert client.post(address, opened(client, address, level="reducing")).status_code == 302
    assert halt.row_of().state == "reducing"


def test_two_people_who_keep_triage_away_do_not_undo_each_other(sample: dict[str, Any], login: Login) -> None:
    held, first, second = sample["held"], login("operator", "otto"), login("operator", "olga")
    address = reverse("admin:act_triage_opt_out_one", args=[held.pk])
    old = opened(second, address)
    assert first.post(address, opened(first, address)).status_code == 302
    assert "changed while you were reading" in second.post(address, old).content.decode()
    held.refresh_from_db()
    assert held.triage_opt_out


def test_a_profile_that_was_loosened_meanwhile_is_not_cloned(sample: dict[str, Any], login: Login) -> None:
    profile, client = sample["careful"], login("risk manager")
    address = reverse("admin:act_clone_profile_one", args=[profile.pk])
    old = opened(client, address, name="copied")
    profile.max_per_event *= 10
    profile.save()
    assert "changed while you were reading" in client.post(address, old).content.decode()
    assert not Profile.objects.filter(name="copied").exists()


def test_an_old_form_gives_nobody_a_role_back(sample: dict[str, Any], login: Login) -> None:
    person = User.objects.get(username=login("risk manager", "rob") and "rob")
    first, second = login(name="chief"), login(name="boss")
    address = reverse("admin:auth_user_change", args=[person.pk])
    joined = {"date_joined_0": "2026-01-02", "date_joined_1": "10:00:00"}
    old = fields_of(second, address)
    assert first.post(address, fields_of(first, address) | joined | {"groups": []}).status_code == 302
    answer = second.post(address, old | joined | {"first_name": "Robert"})
    assert "Groups: it was" in answer.content.decode()
    assert not person.groups.exists()
    assert person.password not in first.get(address).content.decode()


def test_an_old_form_does_not_silence_a_channel(sample: dict[str, Any], login: Login) -> None:
    channel = Channel.objects.create(name="night", address=addresses.encrypt("json://localhost/"), service="JSON")
    client, address = login("risk manager"), reverse("admin:console_channel_change", args=[channel.pk])
    rules = {"rules-TOTAL_FORMS": "0", "rules-INITIAL_FORMS": "0"}
    old = fields_of(client, address) | rules | {"reason": "at night only"}
    Rule.objects.create(channel=channel)
    assert "Rules: it was" in client.post(address, old).content.decode()
    assert client.post(address, fields_of(client, address) | rules | {"reason": "a reason"}).status_code == 302


def test_every_form_of_a_row_that_people_change_carries_its_version(sample: dict[str, Any], login: Login) -> None:
    request = RequestFactory().get("/")
    request.user = User.objects.get(username=login(name="chief") and "chief")
    without = []
    for model, shown in admin.site._registry.items():
        if shown.has_change_permission(request) and model not in MADE_ONLY:
            form = shown.get_form(request, model(pk=1), change=True)
            without += [] if "seen" in form.base_fields else [model._meta.label]
    assert without == []


MADE_ONLY = {IntervalSchedule}
"""Rows that are made and never changed."""
VERSIONLESS = {
    "halt",
    "exit_several",
    "withdraw_quote",
    "force_exit",
    "withdraw_exit",
    "test_channel",
    "remove_second_factor",
}
"""Dialogs that can only stop or test, the exit of several, whose form lists what it is about, and those of one position, whose
version is the exit that is under way."""


def another(field: Any, value: Any) -> Any:
    """A value of ``field`` that differs from ``value``."""
    if field.choices:
        return next(code for code, _ in field.flatchoices if code != value)
    if isinstance(field, models.BooleanField):
        return not value
    if isinstance(field, models.IntegerField | models.FloatField):
        return (value or 0) + 1
    if isinstance(field, models.DateField):
        return datetime(2030, 1, 2, tzinfo=UTC)
    return time(3, 7) if isinstance(field, models.TimeField) else ["another"]


def test_every_field_that_people_change_is_compared_with_what_they_saw(sample: dict[str, Any], login: Login) -> None:
    """Over the whole registry: a row that somebody changed in any one of the fields of its form is not overwritten."""
    sample_rest.rows(sample)
    request, overwritten, checked = RequestFactory().get("/"), [], 0
    request.user = User.objects.get(username=login(name="chief") and "chief")
    for model, shown in admin.site._registry.items():
        if not shown.has_change_permission(request) or model in MADE_ONLY:
            continue
        row = model._default_manager.first()
        assert row is not None
        form_class = shown.get_form(request, row, change=True)
        form = form_class(instance=row)
        assert isinstance(form, SeenForm)
        for field in model._meta.concrete_fields:
            if field.name in form.unseen or field.name not in form.fields or field.is_relation:
                continue
            changed = copy(row)
            setattr(changed, field.attname, another(field, getattr(row, field.attname)))
            checked += 1
            overwritten += [f"{model._meta.label}.{field.name}"] if form.stored(changed) == form.stored(row) else []
    assert overwritten == []
    assert checked > 90


def test_every_dialog_of_a_row_carries_its_version(sample: dict[str, Any], login: Login) -> None:
    sample_rest.rows(sample)
    client, without = login(name="chief"), []
    rows = [one for one in site_addresses.every() if (one.name or "").startswith("act_")]
    for dialog in DIALOGS:
        paths = [one.path for one in rows if one.name == f"act_{dialog.name}_one" and one.has_row]
        for path in paths:
            answer = client.get(path)
            if answer.status_code == 200 and dialog.name not in VERSIONLESS:
                without += [] if answer.context["form"]["version"].value() else [path]
    assert without == []


def test_a_lock_that_is_lifted_promises_nothing_while_something_else_stops(
    sample: dict[str, Any], login: Login
) -> None:
    live, until = sample["live"], clock.now() + timedelta(minutes=5)
    lock = Lock.objects.create(code="residual", reason="position #7: no bid", until=until, profile=live)
    halt.set_state(state="reducing", actor="otto", reason="thin books")
    client = login("risk manager")
    shown = client.get(reverse("admin:act_remove_lock_one", args=[lock.pk])).content.decode()
    assert "contracts could not be sold, live" in shown
    assert "stay impossible for live all the same: Trading is reducing: no new baskets" in shown
    assert "position #7: no bid" in shown
    resumed = client.get(reverse("admin:act_resume")).content.decode()
    assert "Trading is reducing" not in resumed[resumed.index('id="dialog"') :]


def test_a_part_is_sold_only_of_what_was_held_when_it_was_chosen(sample: dict[str, Any], login: Login) -> None:
    """Somebody sold half of it in between: half of the rest is another number. All of it is all of it."""
    held, client = sample["held"], login("operator")
    address = reverse("admin:act_force_exit_one", args=[held.pk])
    old = opened(client, address, share="50", below_floor="not worth holding")
    sample_positions.sell(held, 0, 1_000, 5_000)
    assert "changed while you were reading" in client.post(address, old).content.decode()
    assert client.post(address, old | {"share": "100", "token": "another-token"}).status_code == 302


def test_least_prices_that_a_person_wrote_survive_another_share(sample: dict[str, Any], login: Login) -> None:
    held, client = sample["held"], login("operator")
    address = reverse("admin:act_force_exit_one", args=[held.pk])
    form = client.get(address).context["form"]
    proposed = form["least_prices"].value()
    again = {"share": "50", "proposed": proposed}
    mine = proposed.replace(proposed.split()[2], "0.9000", 1)
    kept = client.get(address, again | {"least_prices": mine}).context["form"]
    assert kept["least_prices"].value() == mine
    fresh = client.get(address, again | {"least_prices": proposed}).context["form"]
    assert fresh["least_prices"].value() == fresh["proposed"].value()


def test_what_came_without_a_form_is_not_put_down_to_the_next_person(sample: dict[str, Any], login: Login) -> None:
    """Capital that was lent or swept, or a command, changes a profile; the next form names only what its person changed."""
    profile = sample["careful"]
    Profile.objects.filter(pk=profile.pk).update(min_seconds_to_close=17, capital=profile.capital + 1_000_000)
    address = reverse("admin:strategies_profile_change", args=[profile.pk])
    client = login("risk manager", "rita")
    client.post(address, fields_of(client, address) | {"max_daily_loss": "5", "reason": "smaller for now"})
    rows = Profile.history.model.objects
    newest, before = rows.filter(id=profile.pk).order_by("-history_id")[:2]
    assert [change.field for change in newest.diff_against(before).changes if change.field != "updated_at"] == [
        "max_daily_loss"
    ]
    assert (before.history_user, before.history_change_reason) == (None, history.BY_ITSELF)
    assert before.min_seconds_to_close == 17
    number = rows.count()
    client.post(address, fields_of(client, address) | {"max_daily_loss": "4", "reason": "smaller still"})
    assert rows.count() == number + 1, "nothing else had changed it meanwhile"
