"""The admin site: Unfold's, with its own pages and dialogs beside the lists."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from unfold.sites import UnfoldAdminSite


def with_readable_key(view: Callable[..., Any]) -> Callable[..., Any]:
    """``view`` of a list's rows, which answers a key that its column cannot hold as a row that is not there."""
    model = getattr(getattr(view, "__self__", None), "model", None)
    if model is None:
        return view

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            if "object_id" in kwargs:
                model._meta.pk.to_python(unquote(kwargs["object_id"]))
        except ValidationError as error:
            raise Http404(f"no such row: {kwargs}") from error
        return view(request, *args, **kwargs)

    return checked


class ConsoleSite(UnfoldAdminSite):
    """Pages live under the admin so that its login, its session and its style apply for them too."""

    index_title = "Dashboard"
    index_template = "console/dashboard.html"

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        from kalbot.console.pages.home import dashboard

        answer: HttpResponse = super().index(request, {**dashboard.context(request), **(extra_context or {})})
        return answer

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        from kalbot.console.auth import throttle

        if request.method == "POST" and throttle.sprayed(request):
            return throttle.lockout_response(request)
        answer: HttpResponse = super().login(request, extra_context)
        return answer

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """One's own password; a new one is in the audit log."""
        from kalbot.console.auth import people

        with transaction.atomic():
            answer: HttpResponse = super().password_change(request, extra_context)
            if request.method == "POST" and isinstance(answer, HttpResponseRedirect):
                people.keep_own(request, "change_password")
        return answer

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        return super().admin_view(with_readable_key(view), cacheable)

    def has_permission(self, request: HttpRequest) -> bool:
        """Staff; and who has switched the second factor on must have shown it in this session."""
        from kalbot.console.auth import second_factor

        return super().has_permission(request) and second_factor.shown(request.user)

    def extra_urls(self) -> list[URLPattern]:
        from kalbot.console.dialogs import DIALOGS
        from kalbot.console.pages import PAGES

        urls = [path(route, self.admin_view(view), name=name) for route, name, view in PAGES]
        for dialog in DIALOGS:
            view, slug = dialog.as_view(), dialog.name.replace("_", "-")
            urls.append(path(f"act/{slug}/", self.admin_view(view), name=f"act_{dialog.name}"))
            urls.append(path(f"act/{slug}/<path:pk>/", self.admin_view(view), name=f"act_{dialog.name}_one"))
        return urls
