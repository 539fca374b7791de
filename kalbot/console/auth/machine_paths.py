"""/healthz and /metrics answer whatever host name a request uses: containers and Prometheus use addresses, not public names."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


class MachinePathsMiddleware:
    """First of all: what follows compares the host with ALLOWED_HOSTS. Neither page holds a secret or changes anything."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        from kalbot.console.pages import machines

        views = {"/healthz": machines.healthz, "/metrics": machines.metrics}
        view = views.get(request.path_info)
        return self.get_response(request) if view is None else view(request)
