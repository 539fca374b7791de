"""The permission matrix: every address that the site has, by role and method.

Pages are not rendered here (test_pages_answer does that): who is let in is decided before. An address that this module cannot
place fails it, so a new page is in the table before it is on the site.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final

import addresses
import pytest
import sample_rows
from addresses import Address
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser, User
from django.core.cache import cache as kept
from django.db import transaction
from django.test import Client, override_settings

from kalbot.common import cache
from kalbot.console.dialogs import DIALOGS
from strategies.models import Profile

pytestmark = [pytest.mark.django_db, pytest.mark.alike]

ROLES: Final = ("viewer", "operator", "risk manager")
OPERATES: Final = {
    "force_exit",
    "withdraw_exit",
    "withdraw_quote",
    "exit_several",
    "halt",
    "accept_advice",
    "dismiss_advice",
    "triage_opt_out",
}
"""Dialogs of an operator; every other one is a risk manager's until this table says otherwise."""
NOBODYS: Final = {"remove_second_factor"}
"""Dialogs that no role has: a superuser's."""
EDITED: Final = {
    *("strategies.profile", "django_celery_beat.periodictask", "markets.reviewedseries", "markets.contractterms"),
    *("console.channel", "console.rule"),
}
"""Lists whose rows a risk manager may change. Adding and deleting: see ADDED and DELETED."""
ADDED: Final = {
    *("strategies.profile", "console.channel", "markets.reviewedseries", "django_celery_beat.intervalschedule"),
}
DELETED: Final = {"console.channel", "markets.reviewedseries"}
ANYBODY: Final = {"login", "home", "healthz", "metrics", None}
"""Addresses that need no login (None: the icon, and paths that only redirect to another address or to a 404)."""
EVERY_PERSON: Final = {
    *("index", "logout", "password_change", "password_change_done", "jsi18n", "app_list", "search"),
    *("second_factor", "time_zone", "view_on_site"),
}
"""What each person with a login has: the landing page says that they have no role; a search finds what they may view; view_on_site
finds no row, for no model of ours has an address outside the console."""
READ: Final = {
    *(
        "dashboard_part",
        "position_progress",
        "event_books",
        "why",
        "why_event",
        "scoreboard",
        "operate",
        "backtests",
        "open_positions",
        "profile_matches",
        "profile_compare",
    ),
    *(
        "backtest",
        "shadows",
        "capital",
        "quotes",
        "results",
        "exports",
        "exports_download",
        "strategies_profile_evaluate",
        "tokens",
    ),
    *("autocomplete", "calibration", "families", "family", "first_run", "what_if", "same_day"),
}
"""Pages that every role reads."""
OTHERS: Final = ("HEAD", "PUT", "PATCH", "DELETE")
METHODS: Final = ("GET", "POST", *OTHERS)
QUERIES: Final = {
    "autocomplete": {"app_label": "markets", "model_name": "reviewedseries", "field_name": "series", "term": "K"},
}
"""What an address needs beside its path."""


@pytest.fixture(scope="module", autouse=True)
def rows(django_db_setup: None, django_db_blocker: Any) -> Iterator[dict[str, Any]]:
    """The sample rows once for all of the module, and a person of each role; all of it rolled back at its end. What surrounds every
    page (menu, banner) decides nothing and costs half of a request."""
    hashers = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    prices = cache.prices()
    with (
        django_db_blocker.unblock(),
        override_settings(PASSWORD_HASHERS=hashers),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(admin.site, "each_context", lambda request: {"available_apps": []})
        logging.disable(logging.CRITICAL)
        prices.flushdb()
        kept.clear()
        with transaction.atomic():
            made: dict[str, Any] = sample_rows.sample()
            for role in ROLES:
                sample_rows.person(role.replace(" ", "-"), role)
            User.objects.create_user("newcomer", is_staff=True)
            yield made
            transaction.set_rollback(True)
        prices.flushdb()
        logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def every(rows: dict[str, Any]) -> list[Address]:
    """Every address, with rows of the samples."""
    return [one for one in addresses.every() if one.name not in ("logout", "login")]


def person(role: str) -> Any:
    """Somebody with that role; "" has none, "stranger" no login."""
    if role == "stranger":
        return AnonymousUser()
    return User.objects.get(username=role.replace(" ", "-") or "newcomer")


def may(role: str, address: Address, method: str) -> bool | None:
    """Whether a role is let in; "" is a person without a role, "stranger" somebody without a login. None: this table does
    not know the address."""
    name = address.name
    if name in ANYBODY and not address.model:
        return True
    if role == "stranger":
        return False
    if name in EVERY_PERSON:
        return True
    if not role:
        return False
    for dialog in DIALOGS:
        if name in (f"act_{dialog.name}", f"act_{dialog.name}_one"):
            return may_act(role, dialog.name)
    if name in READ:
        return True
    if name in ("what_if_start", "backtest_vary"):
        return role == "risk manager"
    return may_in_list(role, address, method) if address.model else None


def may_act(role: str, dialog: str) -> bool:
    """Whether a role opens and confirms a dialog."""
    if dialog in NOBODYS:
        return False
    return role == "risk manager" or (role == "operator" and dialog in OPERATES)


ROW_DIALOGS: Final = {
    "force_exit": "force_exit",
    "withdraw_exit": "withdraw_exit",
    "withdraw_quote": "withdraw_quote",
    "remove": "remove_lock",
    "resolve": "resolve_discrepancy",
    "clone": "clone_profile",
    "collateral_return": "choose_collateral",
    "go_live": "go_live",
    "make_twin": "make_twin",
    "approve": "approve_terms",
    "withdraw": "withdraw_terms",
    "accept": "accept_advice",
    "dismiss": "dismiss_advice",
    "send_test": "test_channel",
    "remove_factor": "remove_second_factor",
}
"""Dialogs that stand at a row of a list, by the last word of the address's name."""


def may_in_list(role: str, address: Address, method: str) -> bool | None:
    """Whether a role is let into an admin's page. People and groups are a superuser's."""
    prefix = address.model.replace(".", "_") + "_"
    what = address.name.removeprefix(prefix) if address.name else "old"
    manages, writes = role == "risk manager", method not in ("GET", "HEAD")
    if what in ROW_DIALOGS:
        return may_act(role, ROW_DIALOGS[what])
    if address.model.startswith(("auth.", "otp_")):
        return False
    if what in ("changelist", "history", "export"):
        return True
    if what == "simple_history":
        return not writes
    if what == "change":
        return method != "POST" or (manages and address.model in EDITED)
    if what == "add":
        return manages and address.model in ADDED
    if what == "delete":
        return manages and address.model in DELETED
    return None


def is_right(wanted: bool | None, came: str, address: Address) -> bool:
    """Whether an answer is what the table says. An old address only leads to the page that decides; a row that is not there shows
    nothing to anybody."""
    if came == addresses.NOT_ALLOWED:
        return wanted is not None
    if address.name is None and address.model:
        return came in (addresses.MOVED, addresses.REFUSED)
    if wanted:
        return came in (addresses.LET_IN, addresses.MOVED, addresses.MISSING)
    return wanted is False and (came == addresses.REFUSED or (came == addresses.MISSING and not address.has_row))


def wrong_answers(role: str, every: list[Address], methods: Mapping[Address, tuple[str, ...]]) -> list[str]:
    """Where the answers to a role differ from the table."""
    user, wrong = person(role), []
    for address in every:
        for method in methods[address]:
            came = addresses.ask(user, method, address.path, **QUERIES.get(address.name or "", {}))
            if not is_right(may(role, address, method), came, address):
                wrong.append(f"{method} {address.name} {address.path}: {came}")
    return wrong


@pytest.mark.parametrize("role", ["stranger", ""])
def test_no_method_lets_in_somebody_without_a_role(role: str, every: list[Address]) -> None:
    assert wrong_answers(role, every, dict.fromkeys(every, METHODS)) == []


@pytest.mark.parametrize("role", ROLES)
def test_each_address_lets_in_the_roles_of_the_table_and_nobody_else(role: str, every: list[Address]) -> None:
    """Reading and writing everywhere, and one of the other methods at each address, for each role another one."""
    turn = ROLES.index(role)
    methods = {one: ("GET", "POST", OTHERS[(place + turn) % len(OTHERS)]) for place, one in enumerate(every)}
    assert wrong_answers(role, every, methods) == []


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_the_same_by_every_method(role: str, every: list[Address]) -> None:
    assert wrong_answers(role, every, dict.fromkeys(every, METHODS)) == []


def test_a_viewer_cannot_store_an_old_version_of_a_profile(rows: dict[str, Any], every: list[Address]) -> None:
    """The history's page of a version is a form; its library stores what is posted to it, whatever its button says."""
    (page,) = [one for one in every if one.name == "strategies_profile_simple_history"]
    profile = Profile.objects.earliest("pk")
    assert f"/profile/{profile.pk}/" in page.path
    client = Client()
    client.force_login(person("viewer"))
    shown = client.get(page.path)
    assert shown.status_code == 200
    form = shown.context["adminform"].form
    fields = {name: form[name].value() or "" for name in form.fields} | {"max_daily_loss": "999", "reason": "because"}
    assert client.post(page.path, fields).status_code == 403
    assert Profile.objects.get(pk=profile.pk).max_daily_loss == profile.max_daily_loss
