"""What would this change have done: from the form of a profile, which is not saved, to both runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from backtest import stored
from backtest.models import BacktestRun
from strategies.models import Profile
from tests.backtest.tapes import options, planted

pytestmark = pytest.mark.alike


def _form(client: Client, profile: Profile) -> dict[str, Any]:
    """The profile's form as its page gives it."""
    page = client.get(reverse("admin:strategies_profile_change", args=[profile.pk]))
    sent: dict[str, Any] = {}
    for bound in page.context["adminform"].form:
        widget = bound.field.widget.get_context(bound.html_name, bound.value(), {})["widget"]
        if widget.get("optgroups"):
            chosen = [
                option["value"] for _, options_, _ in widget["optgroups"] for option in options_ if option["selected"]
            ]
            sent[widget["name"]] = chosen
            continue
        for part in widget.get("subwidgets") or [widget]:
            sent[part["name"]] = part["value"]
    return {name: value for name, value in sent.items() if value not in (None, False)}


def _said(answer: Any) -> str:
    """The messages that the next page will show."""
    return " ".join(str(one) for one in get_messages(answer.wsgi_request))


def test_a_change_that_was_not_saved_is_replayed_beside_the_profile_as_it_is(
    sample: dict[str, Any], login: Any, tmp_path: Path, settings: Any
) -> None:
    settings.KALBOT_TAPE_DIR = str(planted(tmp_path))
    profile = sample["careful"]
    any_profit = {"min_profit": 0, "min_margin_ppm": 0, "least_grade": "if_determined", "leg_risk_budget": 10**9}
    Profile.objects.filter(pk=profile.pk).update(**any_profit, kinds=["all_yes", "all_no"], categories=[])
    client = login("risk manager")
    answer = client.post(
        reverse("admin:what_if_start", args=[profile.pk]),
        _form(client, profile) | {"min_profit": "15", "what_if_days": "7"},
    )
    assert answer["Location"] == reverse("admin:what_if", args=[profile.pk]), _said(answer)
    assert Profile.objects.get(pk=profile.pk).min_profit == 0  # nothing is saved
    queued = list(BacktestRun.objects.filter(status="queued").order_by("pk"))
    assert [run.changes for run in queued] == [{}, {"min_profit": 15_000_000}]
    assert b"Queued and queued" in client.get(answer["Location"]).content
    for _ in queued:
        taken = stored.take()
        assert taken is not None
        stored.perform(taken.pk)
    assert stored.take() is None
    before, after = BacktestRun.objects.filter(pk__in=[run.pk for run in queued]).order_by("pk")
    assert (before.status, before.baskets, after.status, after.baskets) == ("done", 1, "done", 0)
    shown = client.get(answer["Location"]).content.decode()
    for text in ("$0.00 to $15.00", "As it is", "With the change", "too few to judge"):
        assert text in shown


def test_a_form_without_a_change_or_with_a_wrong_one_or_without_a_tape_queues_nothing(
    sample: dict[str, Any], login: Any, settings: Any
) -> None:
    settings.KALBOT_TAPE_DIR = ""
    client, profile = login("risk manager"), sample["careful"]
    address = reverse("admin:what_if_start", args=[profile.pk])
    same = _form(client, profile)
    for sent, said in (
        (same, "Nothing is changed"),
        (same | {"max_per_leg": "nonsense"}, "Most in one leg"),
        (same | {"min_profit": "12"}, "KALBOT_TAPE_DIR is empty"),
    ):
        assert said in _said(client.post(address, sent)), sent
    assert not BacktestRun.objects.filter(status="queued").exists()
    assert login("viewer").post(address, same).status_code == 403


def test_a_run_whose_process_fails_says_why_and_one_of_a_dead_worker_is_ended(db: None, tmp_path: Path) -> None:
    stored.request(options(planted(tmp_path)), {"min_profit": 1}, actor="somebody")
    first = BacktestRun.objects.filter(status="queued").last()
    assert first is not None
    assert (
        stored.work(lambda: None) == first.pk
    )  # its process cannot see the row: the test's database is not the settings'
    first.refresh_from_db()
    assert (first.status, bool(first.failure)) == ("failed", True)
    second = stored.take()
    assert second is not None
    BacktestRun.objects.filter(pk=second.pk).update(started_at="2020-01-01T00:00Z")
    assert stored.take() is None
    second.refresh_from_db()
    assert second.failure == "The worker that ran it ended."
