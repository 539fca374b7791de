"""Pages for what went wrong, in the console's style. They read no database: it may be what went wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from django.db import DataError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

API: Final = "/api/"
SENTENCES: Final = {
    400: (
        "This request cannot be understood",
        "Go back and try again; if it came from a bookmark, the page has moved.",
    ),
    403: (
        "This is not yours to see or do",
        "Your role does not include it. Whoever manages users can give you another one.",
    ),
    404: ("There is no such page", "The row may have been pruned, or the address has a mistake in it."),
    405: (
        "This address is not opened like that",
        "It answers a form or a button of the console, not a link. Go back and use that.",
    ),
    500: ("The console failed", "The log has the details. Trading does not depend on this page and goes on."),
}


def page(request: HttpRequest, status: int, sentence: str = "") -> HttpResponse:
    """The page of one status; for a program that speaks to the API the same in JSON."""
    title, hint = SENTENCES[status]
    if request.path_info.startswith(API):
        return JsonResponse({"detail": f"{title}."}, status=status)
    context = {"status": status, "title": title, "hint": sentence or hint}
    return HttpResponse(render_to_string("console/error.html", context), status=status)


class NotAllowedMiddleware:
    """A view that refuses a method answers with an empty page: it gets this one, with the methods that are allowed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self.get_response(request)
        if answer.status_code != 405 or answer.streaming or answer.content:
            return answer
        shown = page(request, 405)
        shown["Allow"] = answer.get("Allow", "")
        return shown


LONG: Final = re.compile(r"\d{16,}")
"""A number that a column may not hold."""


class OutOfRangeMiddleware:
    """An address that filters by a number which no column holds is a mistake in the address, and no failure of ours: SQLite's driver raises
    OverflowError, Postgres answers that it is out of range."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """See Django's."""
        is_of_numbers = isinstance(exception, OverflowError | DataError)
        return page(request, 400) if is_of_numbers and LONG.search(request.META.get("QUERY_STRING", "")) else None


def bad_request(request: HttpRequest, exception: Any = None) -> HttpResponse:
    """400."""
    return page(request, 400)


def forbidden(request: HttpRequest, exception: Any = None) -> HttpResponse:
    """403."""
    return page(request, 403)


def not_found(request: HttpRequest, exception: Any = None) -> HttpResponse:
    """404."""
    return page(request, 404)


def failed(request: HttpRequest) -> HttpResponse:
    """500."""
    return page(request, 500)


def csrf(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 of a form whose token is old: usually a login in another tab."""
    return page(
        request,
        403,
        "This form is out of date, usually because of a login in another tab. Reload the page and try again.",
    )
