"""Processes carry the names of their installation, and refuse a database of another. They need no database of the test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def prefix(**changes: str) -> list[str]:
    """Prefix, broker's prefix and the stream's lease as a process with these settings names them."""
    code = (
        "import django; django.setup(); from django.conf import settings as s; from markets.prices import LEASE_KEY;"
        "from kalbot.celery import app;"
        "print(s.REDIS_PREFIX, app.conf.broker_transport_options['global_keyprefix'], LEASE_KEY)"
    )
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "kalbot.settings", **changes}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, check=True, capture_output=True, text=True
    ).stdout.split()


def test_keys_queues_and_lease_carry_environment_and_exchange() -> None:
    found = prefix(KALSHI_REST_URL="https://One.example:8443/trade-api/v2", KALBOT_ENVIRONMENT="paper-2")
    begin = "paper-2:one.example:8443:"
    assert found == [begin, begin, f"{begin}px:lease:"]


def test_an_environment_with_other_characters_is_refused() -> None:
    with pytest.raises(subprocess.CalledProcessError) as raised:
        prefix(KALBOT_ENVIRONMENT="a:b")
    assert "KALBOT_ENVIRONMENT must be" in raised.value.stderr


def test_worker_and_beat_refuse_to_start(tmp_path: Path) -> None:
    env = {
        **os.environ,
        "KALBOT_STATE": str(tmp_path),
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
        "KALBOT_ENVIRONMENT": "refusing",
        "DJANGO_SETTINGS_MODULE": "kalbot.settings",
    }
    code = (
        "import django; django.setup(); from django.db import connection; from markets import identity\n"
        "with connection.schema_editor() as editor: editor.create_model(identity.Installation)\n"
        "identity.require()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, check=True)
    env["KALSHI_WS_URL"] = "ws://127.0.0.1:9/trade-api/ws/v2"
    celery = [sys.executable, "-m", "celery", "-A", "kalbot"]
    started = [
        subprocess.Popen([*celery, *command], cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True)
        for command in (["worker", "-Q", "execution"], ["beat", "--pidfile="])
    ]
    for process in started:
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 1
        assert "This database belongs to another exchange or environment: ws host is" in said
