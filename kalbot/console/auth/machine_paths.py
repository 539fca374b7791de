"""/healthz and /metrics answer whatever host name a request uses: containers and Prometheus use addresses, not public names.

And no page waits long for a Redis that says nothing: whoever wants to halt trading then must not wait for each of its twenty questions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse

from kalbot.common import bounded

REDIS_SECONDS: Final = 1.0
"""Most that one page waits for each Redis in all."""


class MachinePathsMiddleware:
    """First of all: what follows compares the host with ALLOWED_HOSTS. Neither page holds a secret or changes anything."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        from kalbot.console.pages import machines

        views = {"/healthz": machines.healthz, "/metrics": machines.metrics}
        view = views.get(request.path_info)
        if view is not None:
            return view(request)
        with bounded.bounded(REDIS_SECONDS, unbounded=(bounded.DATABASE,)):
            return self.get_response(request)
