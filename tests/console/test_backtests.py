"""The pages of kept backtests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from backtest import runs, session
from backtest.calibration.report import report
from backtest.models import BacktestRun, CalibrationReport
from markets.tape.coverage import coverage
from markets.tape.reader import Tape
from tests.backtest.made_events import made
from tests.backtest.tapes import options, planted


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
