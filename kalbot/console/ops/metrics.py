"""/metrics for Prometheus: gauges read from the database and Redis on request, so that every process needs no registry of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db.models import Count, Sum
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from kalbot.console.ops import status, task_runs
from kalbot.console.pages.summary import latency
from strategies.models import NearMiss, Profile, Verdict
from trading.models import ACTIVE, Discrepancy, Position

STATES = {status.OK: 0, status.WARN: 1, status.BAD: 2}


class ConsoleCollector:
    """A Prometheus collector that reads when it is scraped."""

    def collect(self) -> Iterable[Metric]:
        yield from parts()
        yield from tasks()
        yield from trading()
        yield from latencies()


def parts() -> Iterator[Metric]:
    """State of each part (0 ok, 1 warn, 2 bad) and its metrics."""
    states = GaugeMetricFamily("kalbot_part_state", "0 ok, 1 warn, 2 bad", labels=["part"])
    values = GaugeMetricFamily("kalbot_part_figure", "Metrics of each part", labels=["part", "figure"])
    for part in status.check():
        states.add_metric([part.name], STATES[part.state])
        for name, value in part.metrics.items():
            values.add_metric([part.name, name], float(value))
    yield states
    yield values


def tasks() -> Iterator[Metric]:
    """Runs of tasks by outcome."""
    runs = CounterMetricFamily("kalbot_task_runs", "Runs of tasks", labels=["task", "outcome"])
    spent = CounterMetricFamily("kalbot_task_seconds", "Time spent in tasks", labels=["task"])
    for name, numbers in task_runs.counts().items():
        for outcome, number in numbers.items():
            if outcome == "ms":
                spent.add_metric([name], number / 1000)
            else:
                runs.add_metric([name, outcome], number)
    yield runs
    yield spent


def trading() -> Iterator[Metric]:
    """Positions, money at work, candidates and near misses, by profile and mode."""
    positions = GaugeMetricFamily("kalbot_positions", "Active positions", labels=["profile", "mode"])
    cost = GaugeMetricFamily("kalbot_open_cost_dollars", "Cost of active positions", labels=["profile", "mode"])
    for name, mode, number, paid in (
        Position.objects.filter(status__in=ACTIVE)
        .order_by()
        .values_list("profile__name", "mode")
        .annotate(Count("pk"), Sum("cost"))
    ):
        positions.add_metric([name, mode], number)
        cost.add_metric([name, mode], (paid or 0) / 1e6)
    yield positions
    yield cost
    found = GaugeMetricFamily("kalbot_verdicts", "Candidates and open near misses", labels=["profile", "what"])
    for profile in Profile.objects.all():
        found.add_metric(
            [profile.name, "candidate"], Verdict.objects.filter(profile=profile, status="candidate").count()
        )
        found.add_metric([profile.name, "near_miss"], NearMiss.objects.filter(profile=profile, ended_at=None).count())
    yield found
    yield GaugeMetricFamily(
        "kalbot_open_discrepancies",
        "Unexplained differences with the exchange",
        value=Discrepancy.objects.filter(resolved_at=None).count(),
    )


def latencies() -> Iterator[Metric]:
    """Cycle and decision-to-order latency, milliseconds."""
    family = GaugeMetricFamily("kalbot_latency_ms", "Latency of the last thousand", labels=["what", "quantile"])
    for what, quantiles in latency().items():
        for quantile, value in quantiles.items():
            if value is not None:
                family.add_metric([what, quantile], value)
    yield family


def render() -> bytes:
    """The whole page."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ConsoleCollector())
    return generate_latest(registry)
