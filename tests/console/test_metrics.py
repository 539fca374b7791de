"""What an operator of money reads from /metrics, and the rules, dashboard and runbooks that go by it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.db import connections
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from kalbot.common import cache, counters
from kalbot.common.db.retry import retried
from kalbot.console.ops.records import task_runs
from kalbot.console.pages.positions import open_positions
from tests.common.test_retry import failing

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "kalbot.json"


@pytest.fixture(autouse=True)
def _nothing_counted_yet() -> None:
    counters.flush()
    cache.prices().delete(counters.KEY)


def scraped() -> dict[str, list[tuple[dict[str, str], float]]]:
    """{sample name: [(labels, value)]} of /metrics, read by Prometheus' own parser."""
    answer = Client().get("/metrics", headers={"host": "10.0.0.7:8000"})
    assert answer.status_code == 200
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        found.setdefault(family.name, [])
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def rules() -> list[dict[str, Any]]:
    parsed: dict[str, Any] = yaml.safe_load(RULES.read_text())
    return [rule for group in parsed["groups"] for rule in group["rules"]]


def expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [rule["expr"] for rule in rules()] + [one["expr"] for panel in panels for one in panel["targets"]]


def test_every_metric_that_rules_and_dashboard_name_is_served(sample: dict[str, Any]) -> None:
    counters.count("events", {"event": "order", "mode": "live", "status": "rejected"})
    counters.count("rate_limited", {"kind": "write"})
    counters.count("lost_races", {"sqlstate": "40P01"})
    cache.prices().hincrby(task_runs.COUNTS, "trading.tasks.settle|failed", 1)
    for name, label in (("task_duration", "task"), ("decision_to_order", "mode"), ("stage", "stage")):
        counters.observe(name, 0.03, {label: "x"})
    counters.flush()
    served = scraped()
    assert {value for labels, value in served["kalbot_scrape_errors"]} == {0}, served["kalbot_scrape_errors"]
    named = {name for text in expressions() for name in re.findall(r"\bkalbot_\w+", text)}
    assert len(named) > 15
    assert [labels["stage"] for labels, _ in served["kalbot_stage_seconds_count"]] == ["x"]
    assert named <= set(served), named - set(served)


def test_a_histogram_adds_up(sample: dict[str, Any]) -> None:
    for seconds in (0.004, 0.03, 0.03, 400.0):
        counters.observe("decision_to_order", seconds, {"mode": "live"})
    counters.flush()
    served = scraped()
    buckets = {labels["le"]: value for labels, value in served["kalbot_decision_to_order_seconds_bucket"]}
    assert (buckets["0.005"], buckets["0.05"], buckets["300.0"], buckets["+Inf"]) == (1, 3, 3, 4)
    assert served["kalbot_decision_to_order_seconds_sum"][0][1] == pytest.approx(400.064)


def test_unrealised_is_the_number_of_the_page_of_open_positions(sample: dict[str, Any]) -> None:
    shown = open_positions.totals(open_positions.valued(open_positions.matching("", "", "")))
    wanted = {one.profile.name: one for one in shown if one.profile is not None}
    assert any(one.unrealised for one in wanted.values())
    served = scraped()
    made = {labels["profile"]: value for labels, value in served["kalbot_unrealised_dollars"]}
    for name, total in wanted.items():
        assert made[name] == pytest.approx((total.unrealised or 0) / 1e6)
    cache.prices().flushdb()
    served = scraped()
    missing = {labels["profile"]: value for labels, value in served["kalbot_unpriced_positions"]}
    without = {labels["profile"] for labels, _ in served["kalbot_unrealised_dollars"]}
    for name, total in wanted.items():
        assert (missing[name], name in without) == (total.number, False)


def test_without_a_database_the_rest_is_served(sample: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError

    counters.count("rate_limited", {"kind": "read"})
    counters.flush()

    def away(*args: object, **options: object) -> None:
        raise OperationalError("the server closed the connection")

    with monkeypatch.context() as patch:
        patch.setattr(connections["default"], "cursor", away)
        served = scraped()
    failed = {labels["family"] for labels, value in served["kalbot_scrape_errors"] if value}
    assert failed == {"positions", "profit", "open_profit", "account", "safety", "stopped", "search", "latencies"}
    assert served["kalbot_rate_limited_total"] == [({"kind": "read"}, 1)]
    assert ({"part": "database"}, 2) in served["kalbot_part_state"]


def test_without_redis_money_is_served_and_nothing_counted_is_lost(sample: dict[str, Any], settings: Any) -> None:
    there = settings.PRICES_URL
    settings.PRICES_URL = "redis://127.0.0.1:1/0"
    counters.count("rate_limited", {"kind": "read"})
    counters.flush()
    served = scraped()
    assert served["kalbot_realised_dollars"], served["kalbot_scrape_errors"]
    assert ({"family": "events"}, 1) in served["kalbot_scrape_errors"]
    settings.PRICES_URL = there
    counters.flush()
    assert scraped()["kalbot_rate_limited_total"] == [({"kind": "read"}, 1)]


@pytest.mark.django_db(transaction=True)
def test_lost_races_are_counted(redis_db: Any) -> None:
    calls: list[int] = []
    retried(lambda: failing(2, "40P01", calls))
    counters.flush()
    assert counters.read()["lost_races"] == [({"sqlstate": "40P01"}, 2)]


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    names = {rule["alert"] for rule in rules()}
    assert {path.stem for path in (ROOT / "docs" / "runbooks").glob("Kalbot*.md")} == names
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"docs/runbooks/{rule['alert']}.md"
        text = (ROOT / rule["annotations"]["runbook"]).read_text()
        assert "**What to do.**" in text
        assert f"Rule: `{rule['expr']}` for {rule['for']}, {rule['labels']['severity']}." in text


def test_the_dashboard_is_one() -> None:
    board = json.loads(DASHBOARD.read_text())
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert all(panel["datasource"]["uid"] == "${source}" for panel in board["panels"])


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_takes_the_rules() -> None:
    subprocess.run(["promtool", "check", "rules", RULES], check=True)
