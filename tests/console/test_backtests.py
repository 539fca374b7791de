"""The pages of kept backtests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from backtest import runs, stored
from backtest.calibration.in_force import use_families
from backtest.calibration.report import report
from backtest.models import BacktestRun, CalibrationReport
from backtest.replay import session
from markets.tape.coverage import coverage
from markets.tape.reader import Tape
from strategies.models import FamilyGate
from tests.backtest.made_events import made
from tests.backtest.tapes import options, planted
from tests.backtest.test_family_gates import judged

pytestmark = pytest.mark.alike


def test_a_kept_run_is_listed_and_shown_with_its_basket_and_curve(
    sample: dict[str, Any], login: Any, tmp_path: Path
) -> None:
    before = BacktestRun.objects.count()
    tape = planted(tmp_path)
    result = session.run(options(tape))
    assert BacktestRun.objects.count() == before  # a replay writes nothing into the real database
    kept = runs.save(result, coverage(Tape.open(tape)), name="planted")
    client = login("viewer")
    listed = client.get(reverse("admin:backtests"))
    assert b"planted" in listed.content
    shown = client.get(reverse("admin:backtest", args=[kept.pk])).content.decode()
    assert "GAME-EDGE" in shown
    assert "Too few baskets" in shown
    assert "Nothing was realised" not in shown


def test_a_kept_run_is_varied_by_a_risk_manager_and_its_page_shows_what_is_done(
    sample: dict[str, Any], login: Any, tmp_path: Path
) -> None:
    tape = planted(tmp_path)
    kept = runs.save(session.run(options(tape)), coverage(Tape.open(tape)))
    address, page = (reverse(f"admin:{name}", args=[kept.pk]) for name in ("backtest_vary", "backtest"))
    assert login("viewer").post(address).status_code == 403
    client = login("risk manager")
    assert client.post(address)["Location"] == page
    row = BacktestRun.objects.get(study__of=kept, varied="size", value="x 0.25")
    BacktestRun.objects.filter(pk=row.pk).update(status="running")
    stored.perform(row.pk)
    shown = client.get(page).content.decode()
    for text in ("Capacity: profit against size", "Sensitivity to fees", "480 ms", "Queued", "By reason of entry"):
        assert text in shown
    assert f"/backtests/{row.pk}/" in shown
    assert f"#{row.pk}" not in client.get(reverse("admin:backtests")).content.decode()
    BacktestRun.objects.filter(pk=kept.pk).update(options={"profile": {}})
    client.post(address)
    assert b"kept without the folder" in client.get(page).content
    assert BacktestRun.objects.filter(study__of=kept).count() == 12


def test_somebody_without_the_permission_sees_no_backtests(db: None) -> None:
    client = Client()
    client.force_login(User.objects.create_user("guest", is_staff=True))
    assert client.get(reverse("admin:backtests")).status_code == 403


def test_the_calibration_page_shows_the_latest_report_and_what_others_published(
    sample: dict[str, Any], login: Any
) -> None:
    client = login("viewer")
    address = reverse("admin:calibration")
    assert b"No report was kept yet" in client.get(address).content
    CalibrationReport.objects.create(tapes=["prints"], document=report(made(1.6, 1200, 3)))
    shown = client.get(address).content.decode()
    for text in ("1200 settled events of prints", "<td>yes</td>", "4.18 %", "not what was said"):
        assert text in shown
    assert client.get(address, {"lead": "nonsense"}).status_code == 200


def test_the_calibration_page_shows_each_row_of_families_with_its_gate(sample: dict[str, Any], login: Any) -> None:
    client, address = login("viewer"), reverse("admin:calibration")
    assert "Probabilities of families" not in client.get(address).content.decode()
    CalibrationReport.objects.create(tapes=["made"], document=judged(60, knows=False))
    assert "closed: own quotes are used" in client.get(address).content.decode()
    use_families(judged(60, knows=True))
    shown = client.get(address).content.decode()
    assert "open: e-value" in shown
    assert "closed: own quotes are used" not in shown
    FamilyGate.objects.update(later_e_value=0.001, later_events=12, ended_at=FamilyGate.objects.all()[0].made_at)
    assert "with 12 later events" in client.get(address).content.decode()
    CalibrationReport.objects.all().delete()
    assert "ended 2" in client.get(address).content.decode(), "a gate is shown without any report"
