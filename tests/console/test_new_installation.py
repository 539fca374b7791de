"""An empty database, made ready as the README says: nothing in it can send an order, whatever the environment allows."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps

from strategies.models import DOLLAR, Profile

ROOT = Path(__file__).resolve().parent.parent.parent
BEGUN = """
import django; django.setup()
from django.core.management import call_command
from strategies.models import Profile
call_command("migrate", interactive=False, verbosity=0)
for command in ("seed", "seed", "seed_schedules"):
    call_command(command, verbosity=0)
print(sorted(Profile.objects.values_list("name", "mode")))
"""


def test_migrating_and_seeding_twice_makes_no_live_profile(tmp_path: Path) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
        "DJANGO_SETTINGS_MODULE": "kalbot.settings",
        "KALBOT_STATE": str(tmp_path),
        "KALBOT_LIVE": "true",
        "SECRET_KEY": "one-of-its-own-" + "x" * 40,
        "KALSHI_KEY_ID": "a-key-of-nobody",
        "KALSHI_PRIVATE_KEY": "-----BEGIN PRIVATE KEY-----",
    }
    ran = subprocess.run([sys.executable, "-c", BEGUN], cwd=ROOT, env=environment, check=True, capture_output=True)
    assert ran.stdout.decode().strip().splitlines()[-1] == (
        "[('balanced', 'sim'), ('careful', 'sim'), ('coverage', 'sim')]"
    )


def upgrade() -> None:
    """The step of the upgrade that switches off what was seeded."""
    importlib.import_module("strategies.migrations.0004_no_seeded_live_profile").switch_off(apps, None)


@pytest.fixture
def seeded(db: None) -> Profile:
    """What an earlier version seeded."""
    return Profile.objects.create(name="live", mode="live", capital=10_000 * DOLLAR)


def test_a_seeded_live_profile_that_nobody_touched_is_switched_off_with_a_note(seeded: Profile) -> None:
    upgrade()
    seeded.refresh_from_db()
    assert not seeded.is_active
    history: Any = Profile.history
    assert "switched off by the upgrade" in history.filter(id=seeded.pk).latest().history_change_reason


@pytest.mark.parametrize("changed", [{"min_profit": DOLLAR}, {"capital": 500 * DOLLAR}])
def test_a_live_profile_that_a_person_changed_stays(seeded: Profile, changed: dict[str, int]) -> None:
    for name, value in changed.items():
        setattr(seeded, name, value)
    seeded.save()
    upgrade()
    seeded.refresh_from_db()
    assert seeded.is_active
