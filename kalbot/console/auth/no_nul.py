"""A NUL in a request is an answer 400: PostgreSQL keeps no text with one, and would make an error of it wherever it was looked up."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse

API = "/api/"


class NoNulMiddleware:
    """Checks the address, and the body of what is sent to the API; the fields of forms refuse it by themselves."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        address = request.path_info + request.META.get("QUERY_STRING", "")
        is_api = request.path_info.startswith(API)
        if "\0" in address or "%00" in address or (is_api and rb"\u0000" in request.body):
            return JsonResponse({"detail": "Text must not contain the character NUL."}, status=400)
        return self.get_response(request)
