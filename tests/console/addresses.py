"""Every address of the site, filled with rows of the samples, and what its view does with a request: without templates and middleware,
so that a whole matrix of them costs seconds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from django.apps import apps
from django.contrib import admin
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.sessions.backends.cached_db import SessionStore
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404
from django.test import RequestFactory
from django.urls import Resolver404 as Unmatched
from django.urls import ResolverMatch, URLPattern, URLResolver, get_resolver, resolve

from markets.models import Event
from strategies.models import Profile
from trading.models import Position

__all__ = ["Address", "Unmatched", "ask", "every"]
LET_IN: Final = "let in"
REFUSED: Final = "refused"
MISSING: Final = "missing"
MOVED: Final = "moved"
FAILED: Final = "failed"
NOT_ALLOWED: Final = "method not allowed"
ARGUMENT: Final = re.compile(r"\(\[\^/\]\+\)|<(?:\w+:)?(\w+)>")
"""An argument of an address: ``<converter:name>``, or the history's regular expression."""


ROWS: Final[dict[str, str]] = {
    **dict.fromkeys(("force_exit", "withdraw_exit", "triage_opt_out", "exit_several"), "trading.Position"),
    **dict.fromkeys(("accept_advice", "dismiss_advice"), "triage.Recommendation"),
    **dict.fromkeys(("approve_event", "grant_certificate", "revoke_certificate"), "markets.Event"),
    **dict.fromkeys(("approve_terms", "withdraw_terms"), "markets.ContractTerms"),
    **dict.fromkeys(
        ("clone_profile", "make_twin", "go_live", "halt", "resume", "same_day", "what_if"), "strategies.Profile"
    ),
    **dict.fromkeys(("what_if_start", "evaluate"), "strategies.Profile"),
    **dict.fromkeys(("backtest", "backtest_vary"), "backtest.BacktestRun"),
    "withdraw_quote": "trading.Position",
    "resolve_discrepancy": "trading.Discrepancy",
    "remove_lock": "trading.Lock",
    "choose_collateral": "trading.ExchangeAccount",
    "remove_second_factor": "auth.User",
    "test_channel": "console.Channel",
}
"""What the row of each dialog and page of our own is, by the name of its address."""


@dataclass(frozen=True)
class Address:
    """One address: its name, its pattern, its path with a row of the samples in it, the model of an admin's page (else empty), and
    whether the samples have a row of that model."""

    name: str | None
    pattern: str
    path: str
    model: str = ""
    has_row: bool = True


def every() -> list[Address]:
    """Every address of the site but the API's (whose tokens have their own matrix in test_api)."""
    found = list(_walk(get_resolver(), "/"))
    assert len(found) > 300
    return list({(one.name, one.path): one for one in found}.values())


def _walk(resolver: URLResolver, before: str) -> Iterator[Address]:
    for one in resolver.url_patterns:
        path = before + str(one.pattern)
        if path.startswith("/api/") or str(one.pattern) == r"(?P<url>.*)$":
            continue  # the second is the admin's 404 for the rest
        if isinstance(one, URLResolver):
            yield from _walk(one, path)
        else:
            yield _placed(one, path)


def _placed(pattern: URLPattern, path: str) -> Address:
    """An address with its arguments filled in; a row that the samples lack is number 0."""
    if "(?P<app_label>" in path:
        path = "/admin/trading/"
    models = (one for one in admin.site._registry if path.startswith(_root(one)))
    model = next(models, None)
    row = model._default_manager.first() if model is not None else None
    key = row.pk if row is not None else 0
    history: Any = Profile.history
    version = history.filter(id=key).values_list("history_id", flat=True).first() if model is Profile else 0
    event, held = Event.objects.order_by("pk").first(), Position.objects.filter(status="open").first()
    known: dict[str | None, Any] = {
        "part": "glance",
        "family": Event.objects.filter(is_family=True).values_list("pk", flat=True).first() or "none",
        "content_type_id": 1,
        "object_id": key,
        "id": key,
        "event": event.pk if event else "",
        "pk": held.pk if held and "position" in path else _row_of(pattern.name or ""),
    }
    keys = iter((key, version))
    filled = ARGUMENT.sub(lambda match: str(known[match[1]]) if match[1] else str(next(keys)), path)
    label = model._meta.label_lower if model is not None else ""
    filled = filled.replace("^", "").replace("$", "")
    return Address(pattern.name, path, filled, label, row is not None or model is None)


def _row_of(name: str) -> Any:
    """The key of a row for a dialog or a page of our own; 0 where the samples have none."""
    label = ROWS.get(name.removeprefix("act_").removesuffix("_one"))
    rows = apps.get_model(label)._default_manager.order_by("pk") if label else None
    if label == "trading.Position" and rows is not None:
        rows = rows.filter(status="open")  # what has ended is not exited
    row = rows.first() if rows is not None else None
    return row.pk if row is not None else 0


def _root(model: type[Any]) -> str:
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/"


@cache
def matched(path: str) -> ResolverMatch:
    """The view of a path; finding it costs as much as deciding who may see it."""
    return resolve(path)


def ask(user: Any, method: str, path: str, **fields: str) -> str:
    """What the view of ``path`` does with a request of ``user``; nothing that it stores is kept, no page is rendered."""
    match = matched(path)
    request: Any = RequestFactory().generic(method, path, QUERY_STRING="&".join(f"{k}={v}" for k, v in fields.items()))
    user.is_verified = lambda: False
    request.user, request.session, request.resolver_match = user, SessionStore(), match
    request._messages, request._dont_enforce_csrf_checks = FallbackStorage(request), True
    try:
        with transaction.atomic():
            answer = match.func(request, *match.args, **match.kwargs)
            transaction.set_rollback(True)
    except PermissionDenied:
        return REFUSED
    except Http404:
        return MISSING
    return _outcome(answer)


def _outcome(answer: Any) -> str:
    if answer.status_code == 405:
        return NOT_ALLOWED
    if answer.status_code in (401, 403):
        return REFUSED
    if answer.status_code == 404:
        return MISSING
    if answer.status_code in (301, 302):
        target = answer.headers["Location"]
        return REFUSED if "/login/" in target else MISSING if target == "/admin/" else MOVED
    return FAILED if answer.status_code == 500 else LET_IN
