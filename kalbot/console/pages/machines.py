"""For machines: is the web process able to serve, and the metrics for Prometheus. Neither holds a secret."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from kalbot.console.ops import metrics as prometheus
from kalbot.console.ops.health import status

NEEDED = ("database", "migrations", "installation", "redis")
PATIENCE_SECONDS = 1.5
"""Whoever asks whether this process lives waits for three."""


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 when this process can do its work (database, migrations, Redis), else 503. ``?full`` checks every part."""
    is_full = "full" in request.GET
    parts = status.check(status.PARTS) if is_full else status.check(NEEDED, PATIENCE_SECONDS)
    answer = status.as_json(parts)
    return JsonResponse(answer, status=503 if status.worst(parts) == status.BAD else 200)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Metrics in Prometheus' text format."""
    return HttpResponse(prometheus.render(), content_type="text/plain; version=0.0.4; charset=utf-8")
