"""Text that no database keeps is an answer 400: a NUL, which PostgreSQL refuses wherever it is looked up, and half of a character (a
surrogate that stands alone in JSON), which has no encoding at all. What is too large for the API is an answer 413."""

from __future__ import annotations

import json
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, JsonResponse

API = "/api/"


class NoNulMiddleware:
    """Checks the address, and the body of what is sent to the API; the fields of forms refuse it by themselves."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        address = request.path_info + request.META.get("QUERY_STRING", "")
        is_api = request.path_info.startswith(API)
        try:
            body = request.body if is_api else b""
        except RequestDataTooBig:  # no error of ours: a stranger could fill the log with its traceback
            most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
            return JsonResponse({"detail": f"A request has at most {most:,} bytes."}, status=413)
        if "\0" in address or "%00" in address or rb"\u0000" in body:
            return JsonResponse({"detail": "Text must not contain the character NUL."}, status=400)
        if _holds_a_half(body):
            return JsonResponse({"detail": "Text must not contain half of a character."}, status=400)
        return self.get_response(request)


def _holds_a_half(body: bytes) -> bool:
    """Whether a text of this JSON has no encoding. What is no JSON is refused by whoever reads it."""
    if rb"\ud" not in body.lower():
        return False
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False
    return False
