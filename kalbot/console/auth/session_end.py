"""A session that has ended: one redirect to the login with a sentence, for pages and for the parts that refresh by themselves."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse


class SessionEndMiddleware:
    """Without this, htmx would swap a login form into each refreshing part of a page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated or not request.path.startswith(reverse("admin:index")):
            return self.get_response(request)
        if request.path in (reverse("admin:login"), reverse("admin:logout")):
            return self.get_response(request)
        if request.headers.get("HX-Request"):
            page = urlsplit(request.headers.get("HX-Current-URL", "")).path or reverse("admin:index")
            return HttpResponse(headers={"HX-Redirect": login_url(page)})
        if request.headers.get("X-Requested-With") == "XMLHttpRequest" or "json" in request.headers.get("Accept", ""):
            return JsonResponse({"detail": "Your session has ended; log in again."}, status=401)
        if settings.SESSION_COOKIE_NAME in request.COOKIES:
            return HttpResponseRedirect(login_url(request.get_full_path()))
        return self.get_response(request)


def login_url(back: str) -> str:
    """The login page, which leads ``back`` and says that the session has ended."""
    return f"{reverse('admin:login')}?{urlencode({'next': back, 'ended': 1})}"
