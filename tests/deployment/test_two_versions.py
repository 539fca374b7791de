"""The released version beside this one, on this one's schema: it reads and writes,
and what it may not write fails before anything is sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from kalbot.local.servers import start_postgres

ROOT = Path(__file__).resolve().parents[2]
RELEASED = "03eb1139ee66b3fafe1bf2a1e31a4e14776a2506"
"""0.2.0 by its last commit: a copy of the history need not have the tag."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TRIED = """
import json
import django
django.setup()
from django.apps import apps
from django.db import DatabaseError, transaction
from django.utils import timezone
from kalbot.console.models import LogRecord
from markets.models import Certificate, Event, Market, Series
from strategies.models import Cycle, Decision, Profile
from trading.models import ExitRequest, Lock, Position
from triage.models import SourceForecast
reads, unreadable = [], []
for model in apps.get_models():
    try:
        list(model.objects.all()[:1])
        reads.append(model._meta.label)
    except DatabaseError:
        unreadable.append(model._meta.label)
def refused(model, **columns):
    try:
        with transaction.atomic():
            model(**columns).save(force_insert=True)
    except DatabaseError as error:
        return type(error).__name__
    return ""
profile = Profile.objects.first()
basket = dict(profile=profile, mode="sim", event_id="KXT-1", kind="all_no")
print(json.dumps({
    "reads": len(reads),
    "unreadable": unreadable,
    "series": refused(Series, ticker="KXT"),
    "event": refused(Event, ticker="KXT-1", series_id="KXT"),
    "market": refused(Market, ticker="KXT-1-A", event_id="KXT-1"),
    "certificate": refused(Certificate, event_id="KXT-1"),
    "log": refused(LogRecord, level="ERROR", logger="x", message="m"),
    "profile": refused(Profile, name="of a person", capital=1),
    "lock": refused(Lock, profile=profile, code="manual", until=timezone.now()),
    "decision": refused(Decision, **basket, count=1, legs=[], cost=0, fees=0, max_cost=0, floor=0, conditional=0, expected=0,
                        coverage_ppm=0, margin_ppm=0, guaranteed=False, epoch=""),
    "position": refused(Position, **basket, decision=Decision.objects.first(), target_count=1),
    "exit": refused(ExitRequest, position_id=1, source="person", actor="ann", reason="r"),
}))
"""

READ = """
import django
django.setup()
from markets.models import Certificate, Event, Market
from strategies.models import Decision
print(Event.objects.get().product_metadata, Market.objects.get().other_texts, Certificate.objects.get().states,
      Certificate.objects.get().grade, Decision.objects.get().quote, Decision.objects.get().grade)
"""


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """The files of the released version."""
    archive = subprocess.run(["git", "archive", RELEASED], cwd=ROOT, capture_output=True, check=False)
    assert archive.returncode == 0, f"the history lacks {RELEASED}: git fetch --unshallow"
    folder = tmp_path / "released"
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


def run(folder: Path, state: Path, url: str, *command: str) -> str:
    """What a command of the code in ``folder`` prints, on the database in ``state``, or at ``url``."""
    unset = ("DATABASE_URL", "DJANGO_SETTINGS_MODULE")
    env = {name: value for name, value in os.environ.items() if name not in unset}
    env |= {"KALBOT_STATE": str(state), "PYTHONPATH": str(folder), "DJANGO_SETTINGS_MODULE": "kalbot.settings"}
    env |= {"DATABASE_URL": url} if url else {}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    return done.stdout


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_the_released_version_reads_and_writes_all_but_positions_and_exits_on_the_new_schema(
    database: str, released: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    with ExitStack() as stack:
        url = ""
        if database == "postgres":
            # not below pytest's own folder, which every other run closes to the user of Postgres
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="kalbot-versions-")))
            folder.chmod(0o755)
            server, url = start_postgres(folder / "postgres", durable=False)
            stack.callback(server.cleanup)
        run(ROOT, state, url, "manage.py", "migrate", "-v0")
        run(ROOT, state, url, "manage.py", "seed")
        found: dict[str, Any] = json.loads(run(released, state, url, "-c", TRIED).splitlines()[-1])
        written = run(ROOT, state, url, "-c", READ)
    assert written.strip() == "{} {} {} conditional {} conditional"
    assert set(found.pop("unreadable")) == {"markets.ReviewedSeries", "trading.ExitRequest"}
    assert found.pop("reads") > 40
    refused = {name: error for name, error in found.items() if error}
    assert len(found) == 10
    assert refused == {
        "position": "IntegrityError",
        "exit": {"sqlite": "OperationalError", "postgres": "ProgrammingError"}[database],
    }
