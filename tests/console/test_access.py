"""Access by HTTP: what a person without a role gets, the end of a session, error pages, throttling. By role: test_permissions."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sample_rows
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client, RequestFactory
from django.urls import reverse

from kalbot.console.dialogs import DIALOGS
from kalbot.console.models import LogRecord
from kalbot.console.pages.home import attention, dashboard

pytestmark = pytest.mark.alike

Login = Callable[..., Client]


def refused(answer: Any) -> bool:
    """Whether an answer shows and does nothing: 403, or the login."""
    return answer.status_code in (401, 403) or (answer.status_code == 302 and "/login/" in answer.headers["Location"])


def is_old_address(answer: Any) -> bool:
    """Whether an answer only redirects to a row's page: a list without an export reads "export" as a row's key."""
    return bool(answer.status_code == 302 and answer.headers["Location"].endswith("/export/change/"))


def lists() -> Iterator[tuple[str, str, Any]]:
    """(label, address, a row or None) of every list of the admin."""
    for model in admin.site._registry:
        name = model._meta.label_lower
        yield name, reverse(f"admin:{name.replace('.', '_')}_changelist"), model._default_manager.first()


def pages(sample: dict[str, Any]) -> dict[str, str]:
    """The console's own pages, by name."""
    named = ("why", "shadows", "scoreboard", "operate")
    found = {name: reverse(f"admin:{name}") for name in named}
    found["why_event"] = reverse("admin:why_event", args=[sample["events"][0].pk])
    found["event_books"] = reverse("admin:event_books", args=[sample["events"][0].pk])
    found["position_progress"] = reverse("admin:position_progress", args=[sample["held"].pk])
    found["evaluate"] = f"/admin/strategies/profile/{sample['careful'].pk}/evaluate/"
    return found | {f"part {part}": reverse("admin:dashboard_part", args=[part]) for part in dashboard.PARTS}


def test_without_a_role_nothing_is_seen_or_exported(sample: dict[str, Any]) -> None:
    User.objects.create_user("newcomer", password="let-me-in-please", is_staff=True)
    newcomer, stranger = Client(), Client()
    newcomer.force_login(User.objects.get(username="newcomer"))
    reads, writes = list(pages(sample).values()), []
    for name, address, row in lists():
        reads += [address, f"{address}export/"]
        writes.append(f"{address}add/")
        if row is not None:
            change = reverse(f"admin:{name.replace('.', '_')}_change", args=[row.pk])
            reads += [change, change.replace("/change/", "/history/")]
            writes += [change, change.replace("/change/", "/delete/")]
    writes += [reverse(f"admin:act_{dialog.name}_one", args=["1"]) for dialog in DIALOGS]
    answers = [(address, newcomer.get(address)) for address in reads]
    answers += [(address, newcomer.post(address)) for address in writes]
    answers += [(address, stranger.get(address)) for address in reads if "/change/" not in address]
    answers += [(address, stranger.post(address)) for address in writes if "/change/" in address or "/act/" in address]
    open_to = [
        f"{one.status_code} {address}"
        for address, one in answers
        if not refused(one) and one.status_code != 404 and not is_old_address(one)
    ]
    assert open_to == []
    home = newcomer.get(reverse("admin:index")).content.decode()
    assert "You have no role yet" in home
    shown = home[home.index("k-page") :]
    for hidden in ("KXHIGHNY", "Discrepancy", "part-system"):
        assert hidden not in shown, hidden
    assert re.findall(r"\$\s*[\d.,]+", shown) == [], "no amount (a script has dollar signs of its own)"


def test_a_row_that_is_not_there_is_404_everywhere(sample: dict[str, Any], login: Login) -> None:
    client, wrong = login(), []
    for dialog in DIALOGS:
        for key in ("0", "abc", "999999999999999999999"):
            status = client.get(reverse(f"admin:act_{dialog.name}_one", args=[key])).status_code
            if status != 404:
                wrong.append((dialog.name, key, status))
    for address in ("/admin/strategies/profile/abc/evaluate/", "/admin/why/NOPE/", "/admin/nothing/"):
        assert client.get(address).status_code == 404, address
    assert wrong == []
    page = client.get("/admin/why/NOPE/").content.decode()
    assert "There is no such page" in page


def test_the_end_of_a_session_is_one_redirect_with_a_sentence(sample: dict[str, Any], login: Login) -> None:
    client = login("viewer")
    client.session.flush()
    part = client.get(
        reverse("admin:dashboard_part", args=["glance"]),
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/admin/operate/"},
    )
    assert (part.content, part.headers["HX-Redirect"]) == (b"", "/admin/login/?next=%2Fadmin%2Foperate%2F&ended=1")
    for headers in ({"X-Requested-With": "XMLHttpRequest"}, {"Accept": "application/json"}):
        answer = client.get(reverse("admin:autocomplete"), headers=headers)
        assert (answer.status_code, "session has ended" in answer.json()["detail"]) == (401, True), (
            "a script gets no form"
        )
    answer = client.get(reverse("admin:operate"))
    assert answer.headers["Location"] == "/admin/login/?next=%2Fadmin%2Foperate%2F&ended=1"
    assert "Your session has ended" in client.get(answer.headers["Location"]).content.decode()
    assert "ended=1" not in Client().get(reverse("admin:operate")).headers["Location"], "a newcomer had no session"


def test_noise_of_strangers_pushes_no_warning_away(sample: dict[str, Any]) -> None:
    for number in range(50):
        LogRecord.objects.create(level="WARNING", logger="django.request", message=f"Not Found: /wp-login{number}")
        LogRecord.objects.create(level="WARNING", logger="django.security.csrf", message="Forbidden (CSRF)")
        LogRecord.objects.create(level="WARNING", logger="axes.attempts", message="AXES: Repeated login failure")
    titles = [alert["title"] for alert in attention.alerts()["alerts"]]
    assert "Error in trading.reconciliation.reconcile" in titles
    assert not [title for title in titles if "django" in title or "axes" in title]


def test_a_formula_in_an_export_is_text(sample: dict[str, Any], login: Login) -> None:
    LogRecord.objects.create(level="WARNING", logger="trading", message='=HYPERLINK("http://x","y")')
    client, address = login("viewer"), reverse("admin:console_logrecord_export")
    fields = {"format": "0", "resource": "0"} | {
        f"logrecordresource_{name}": "on" for name in ("id", "level", "message")
    }
    rows = list(csv.DictReader(client.post(address, fields).getvalue().decode().splitlines()))
    assert [row["message"] for row in rows if "HYPERLINK" in row["message"]] == ['\'=HYPERLINK("http://x","y")']
    assert not [cell for row in rows for cell in row.values() if cell.startswith(tuple("=+-@\t\r"))]


def test_an_error_page_needs_no_database_and_reveals_nothing(sample: dict[str, Any]) -> None:
    from kalbot.console.pages import errors

    page = errors.failed(RequestFactory().get("/admin/")).content.decode()
    assert "The console failed" in page
    assert "Traceback" not in page
    assert json.loads(errors.failed(RequestFactory().get("/api/v1/status")).content) == {
        "detail": "The console failed."
    }


def test_a_stranger_cannot_lock_the_risk_manager_out(db: None, redis_db: object, settings: Any) -> None:
    sample_rows.person("rita", "risk manager")
    login = reverse("admin:login")
    stranger, rita = Client(REMOTE_ADDR="203.0.113.9"), Client(REMOTE_ADDR="192.0.2.10")
    for _ in range(settings.AXES_FAILURE_LIMIT * 2):
        last = stranger.post(login, {"username": "rita", "password": "guess"})
    assert last.status_code == 429
    assert rita.post(login, {"username": "rita", "password": "let-me-in-please"}).status_code == 302


def test_an_address_that_tries_many_names_waits(db: None, redis_db: object, settings: Any) -> None:
    sample_rows.person("rita", "risk manager")
    login, stranger = reverse("admin:login"), Client(REMOTE_ADDR="203.0.113.9")
    for number in range(settings.AXES_FAILURE_LIMIT * 10):
        stranger.post(login, {"username": f"name{number}", "password": "guess"})
    assert stranger.post(login, {"username": "rita", "password": "let-me-in-please"}).status_code == 429
    elsewhere = Client(REMOTE_ADDR="192.0.2.10")
    assert elsewhere.post(login, {"username": "rita", "password": "let-me-in-please"}).status_code == 302


def test_a_page_shows_of_a_list_only_what_the_list_would(sample: dict[str, Any]) -> None:
    """Somebody in a group of their own, who may see positions and events: no orders, fills, ledger, verdicts or differences beside them."""
    held, event = sample["held"], sample["events"][0]
    somebody = User.objects.create_user("auditor", is_staff=True)
    somebody.user_permissions.set(
        Permission.objects.filter(codename__in=("view_position", "view_event", "view_tradingstate", "view_logrecord"))
    )
    client = Client()
    client.force_login(somebody)
    for address in (
        reverse("admin:trading_position_change", args=[held.pk]),
        reverse("admin:position_progress", args=[held.pk]),
    ):
        page = client.get(address).content.decode()
        assert "Everything that happened" in page
        for model in ("order", "fill", "ledgertransaction", "exitrequest", "positionevent"):
            assert f"/trading/{model}/" not in page.partition("Everything that happened")[2], model
    page = client.get(reverse("admin:markets_event_change", args=[event.pk])).content.decode()
    assert "Held on it" in page
    assert "?profile=careful" not in page
    assert client.get(reverse("admin:operate")).status_code == 403
    assert client.get(reverse("admin:why_event", args=[event.pk])).status_code == 403
