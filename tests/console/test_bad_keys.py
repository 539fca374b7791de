"""No address answers a key that cannot be one with an error: it is a page that is not there, or it is refused."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote

import addresses
import pytest
import sample_rows
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import DataError
from django.http import HttpResponse
from django.test import Client

from kalbot.console.pages.errors import OutOfRangeMiddleware

pytestmark = pytest.mark.alike

KEYS = [
    "abc",
    "0",
    "-1",
    "9" * 40,
    "1e5",
    "1.5",
    "ñ☃",
    "\u202e",
    "a b",
    "'; --",
    "None",
    "%",
    "00000000-0000-0000-0000-000000000000",
]
"""Letters, numbers that no column holds, text that is no UUID, other scripts, and a UUID of nothing."""


@pytest.fixture
def quiet(sample: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Somebody who may see everything; what surrounds a page is left out, and refusals are not logged."""
    monkeypatch.setattr(admin.site, "each_context", lambda request: {"available_apps": []})
    logging.disable(logging.CRITICAL)
    yield User.objects.get(username=sample_rows.person("chief", "").username)
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_key_that_cannot_be_one_is_not_found_at_every_address(method: str, quiet: Any) -> None:
    """Each key stands at one address in three; which ones changes with the address."""
    wrong = []
    patterns = sorted({one.pattern for one in addresses.every() if addresses.ARGUMENT.search(one.pattern)})
    for place, pattern in enumerate(patterns):
        for key in KEYS[place % 3 :: 3]:
            path = addresses.ARGUMENT.sub(quote(key, safe=""), pattern).replace("^", "").replace("$", "")
            try:
                came = addresses.ask(quiet, method, path)
            except addresses.Unmatched:
                continue  # no address at all: 404
            except Exception as error:  # whatever it is, a person would see a page of failure
                came = f"{type(error).__name__}: {error}"
            if came not in (addresses.MISSING, addresses.MOVED, addresses.REFUSED, addresses.NOT_ALLOWED):
                wrong.append(f"{method} {path}: {came}")
    assert wrong == [], "\n".join(wrong)


@pytest.mark.parametrize(
    "query", ["?profile=☃", "?days=abc", "?period=never", "?p=abc", "?o=99.-99", "?q=%00", "?is_open=x"]
)
def test_a_query_that_makes_no_sense_is_ignored_or_refused(query: str, sample: dict[str, Any], login: Any) -> None:
    client: Client = login()
    client.raise_request_exception = False
    for path in ("why/", "results/", "shadows/", "trading/position/", "strategies/nearmiss/", "exports/"):
        assert client.get(f"/admin/{path}{query}").status_code in (200, 302, 400, 404), path


@pytest.mark.parametrize("lookup", ["profile__gte", "certificate", "profile__id__exact"])
def test_a_filter_by_a_number_that_no_column_holds_is_refused(lookup: str, sample: dict[str, Any], login: Any) -> None:
    client: Client = login()
    client.raise_request_exception = False
    address = "/admin/strategies/decision/"
    assert client.get(address, {lookup: "9" * 23}).status_code in (200, 302, 400)
    assert client.get(address).status_code == 200


@pytest.mark.parametrize("error", [OverflowError("too large"), DataError("bigint out of range")])
def test_only_an_address_with_such_a_number_is_blamed_for_it(error: Exception, rf: Any) -> None:
    middleware = OutOfRangeMiddleware(lambda request: HttpResponse())
    answer = middleware.process_exception(rf.get("/admin/", {"profile__gte": "9" * 23}), error)
    assert answer is not None
    assert answer.status_code == 400
    assert middleware.process_exception(rf.get("/admin/", {"q": "12"}), error) is None, "a fault of ours stays one"
