"""The released version beside this one, on this one's schema: it reads, and what it cannot write fails before anything is sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
RELEASED = "v0.2.0"
pytestmark = pytest.mark.slow

TRIED = """
import json
import django
django.setup()
from django.apps import apps
from django.db import DatabaseError, transaction
from strategies.models import Decision, Profile
from trading.models import ExitRequest, Position
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
print(json.dumps({
    "reads": len(reads),
    "unreadable": unreadable,
    "decision": refused(Decision, profile=profile, mode="sim", event_id="KXT-1", kind="all_no", count=1, legs=[], cost=0, fees=0,
                        max_cost=0, floor=0, conditional=0, expected=0, coverage_ppm=0, margin_ppm=0, guaranteed=False, epoch=""),
    "position": refused(Position, profile=profile, mode="sim", decision_id="0" * 32, event_id="KXT-1", kind="all_no", target_count=1),
    "exit": refused(ExitRequest, position_id=1, source="person", actor="ann", reason="r"),
}))
"""


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """The files of the released version."""
    archive = subprocess.run(["git", "archive", RELEASED], cwd=ROOT, capture_output=True, check=False)
    assert archive.returncode == 0, f"the history lacks {RELEASED}: git fetch --tags"
    folder = tmp_path / "released"
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


def run(folder: Path, state: Path, *command: str) -> str:
    """What a command of the code in ``folder`` prints, on the database in ``state``."""
    unset = ("DATABASE_URL", "DJANGO_SETTINGS_MODULE")
    env = {name: value for name, value in os.environ.items() if name not in unset}
    env |= {"KALBOT_STATE": str(state), "PYTHONPATH": str(folder), "DJANGO_SETTINGS_MODULE": "kalbot.settings"}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    return done.stdout


def test_the_released_version_reads_and_writes_no_decision_position_or_exit_on_the_new_schema(
    released: Path, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    run(ROOT, state, "manage.py", "migrate", "-v0")
    run(ROOT, state, "manage.py", "seed")
    found: dict[str, Any] = json.loads(run(released, state, "-c", TRIED).splitlines()[-1])
    assert set(found["unreadable"]) == {"markets.ReviewedSeries", "trading.ExitRequest"}
    assert found["reads"] > 40
    assert (found["decision"], found["position"]) == ("IntegrityError", "IntegrityError")
    assert found["exit"] == "OperationalError"
