"""Whoever gets a login, a password or a profile, and by whatever way, is in the one audit log."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from kalbot.console.models import Act
from strategies.models import Profile

Login = Callable[..., Client]
PASSWORD = "long-enough-and-odd-7"


def acts() -> list[tuple[str, str, str, str]]:
    """(name, actor, reason, target) of every act, oldest first."""
    return list(Act.objects.order_by("id").values_list("name", "actor", "reason", "target"))


def test_a_superuser_of_the_command_line_is_in_the_audit_log(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "root")
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", interactive=False, username="ann", email="ann@example.org")
    assert User.objects.get(username="ann").is_superuser
    assert acts() == [("add_user", "root", "by the command line", "ann")]


def test_one_who_is_there_already_leaves_no_row(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    User.objects.create_user("ann")
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    with pytest.raises(CommandError):
        call_command("createsuperuser", interactive=False, username="ann", email="ann@example.org")
    assert acts() == []


def test_a_password_of_the_command_line_is_in_the_audit_log(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    User.objects.create_user("ann", password="before-that-one-1")
    monkeypatch.setattr(getpass, "getuser", lambda: "root")
    monkeypatch.setattr(getpass, "getpass", lambda prompt="": PASSWORD)
    call_command("changepassword", "ann")
    ann = User.objects.get(username="ann")
    assert ann.check_password(PASSWORD)
    assert acts() == [("change_password", "root", "by the command line", "ann")]
    ann.save()
    assert len(acts()) == 1


def test_ones_own_new_password_is_in_the_audit_log_and_a_refused_one_is_not(sample: dict[str, Any]) -> None:
    person = User.objects.create_user("ann", password="before-that-one-1", is_staff=True)
    client, address = Client(), reverse("admin:password_change")
    client.force_login(person)
    wanted = {"old_password": "wrong", "new_password1": PASSWORD, "new_password2": PASSWORD}
    assert client.post(address, wanted).status_code == 200
    assert acts() == []
    answer = client.post(address, {**wanted, "old_password": "before-that-one-1"})
    assert answer.headers["Location"] == reverse("admin:password_change_done")
    assert acts() == [("change_password", "ann", "by themselves", "ann")]
    assert client.get(reverse("admin:password_change_done")).status_code == 200


def test_a_profile_added_without_a_reason_is_in_the_audit_log_as_by_the_form(
    sample: dict[str, Any], login: Login
) -> None:
    client = login("risk manager")
    address = reverse("admin:strategies_profile_add")
    form = client.get(address).context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    typed = {name: value for name, value in values.items() if value not in (None, False)}
    answer = client.post(address, {**typed, "name": "tried", "_save": "1"})
    assert answer.status_code == 302, answer.context and answer.context["adminform"].form.errors
    assert Profile.objects.get(name="tried").mode == "sim"
    assert acts() == [("add_profile", "risk-manager", "by the form", "tried")]
