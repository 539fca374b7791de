"""/metrics for Prometheus: read from the database and Redis on request, so that every process needs no registry of its own.

Each family is read by itself: while the database or Redis is away the others are served, and ``kalbot_scrape_errors`` says what is
missing. Names end in their unit: dollars, seconds, or a plain number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from django.db import close_old_connections, connection
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from kalbot.common import bounded, counters
from kalbot.console.ops import money_metrics
from kalbot.console.ops.health import status
from kalbot.console.ops.records import task_runs

STATES: Final = {status.OK: 0, status.WARN: 1, status.BAD: 2}


class ConsoleCollector:
    """A Prometheus collector that reads when it is scraped."""

    def collect(self) -> Iterable[Metric]:
        """Every family that can be read now."""
        errors = GaugeMetricFamily("kalbot_scrape_errors", "1: this family could not be read now", labels=["family"])
        for family in FAMILIES:
            try:
                found, failed = list(family()), 0
            except Exception:  # whatever is away must not hide the rest
                if not connection.in_atomic_block:
                    close_old_connections()
                found, failed = [], 1
            errors.add_metric([family.__name__], failed)
            yield from found
        yield errors


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
    for name, numbers in task_runs.counts().items():
        for outcome, number in numbers.items():
            if outcome != "ms":
                runs.add_metric([name, outcome], number)
    yield runs


def events() -> Iterator[Metric]:
    """What happened to money, and what the exchange and the database refused, since Redis was last emptied."""
    found = counters.read()
    labels = ["event", "mode", "status", "code", "action"]
    family = CounterMetricFamily("kalbot_events", "Decisions, denials, orders, fills and the rest", labels=labels)
    for values, number in found.get("events", []):
        family.add_metric([values.get(label, "") for label in labels], number)
    yield family
    limited = CounterMetricFamily("kalbot_rate_limited", "Answers 429 of the exchange", labels=["kind"])
    for values, number in found.get("rate_limited", []):
        limited.add_metric([values["kind"]], number)
    yield limited
    lost = CounterMetricFamily("kalbot_lost_races", "Deadlocks and serialization failures", labels=["sqlstate"])
    for values, number in found.get("lost_races", []):
        lost.add_metric([values["sqlstate"]], number)
    yield lost
    yield histogram(found, "task_duration", "kalbot_task_seconds", "Duration of tasks", "task")
    yield histogram(found, "stage", "kalbot_stage_seconds", "Stages from frame to open position", "stage")
    yield histogram(found, "decision_to_order", "kalbot_decision_to_order_seconds", "Decision to first order", "mode")


def histogram(found: dict[str, list[tuple[dict[str, str], int]]], name: str, to: str, words: str, label: str) -> Metric:
    """The histogram that ``counters.observe(name)`` filled, by its one label."""
    family = HistogramMetricFamily(to, words, labels=[label])
    sums = {values[label]: number / 1e6 for values, number in found.get(f"{name}:us", [])}
    counted: dict[str, dict[str, int]] = {}
    for values, number in found.get(f"{name}:bucket", []):
        counted.setdefault(values[label], {})[values["le"]] = number
    for value, numbers in sorted(counted.items()):
        total, buckets = 0, []
        for bound in (*map(str, counters.BUCKETS), "+Inf"):
            total += numbers.get(bound, 0)
            buckets.append((bound, total))
        family.add_metric([value], buckets, sums.get(value, 0.0))
    return family


FAMILIES: Final[tuple[Callable[[], Iterator[Metric]], ...]] = (
    parts,
    tasks,
    events,
    money_metrics.positions,
    money_metrics.profit,
    money_metrics.open_profit,
    money_metrics.account,
    money_metrics.safety,
    money_metrics.stopped,
    money_metrics.search,
    money_metrics.latencies,
)


def render() -> bytes:
    """The whole page, within seconds whatever is silent: Prometheus waits for ten."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ConsoleCollector())
    with bounded.bounded(status.PATIENCE_SECONDS):
        return generate_latest(registry)
