"""A command without its database, its tables or its Redis says so in a sentence that helps; any other fault keeps its traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from django.db import connection
from django.db.utils import DatabaseError

from kalbot import command_line

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = "postgres://kalbot:secret-word@127.0.0.1:1/kalbot"


def _manage(line: str, database: str, folder: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "DATABASE_URL": database, "REDIS_URL": "redis://127.0.0.1:1", "KALBOT_ENV_FILE": ""}
    command = [sys.executable, str(ROOT / "manage.py"), *line.split()]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=120)


def test_a_command_without_a_database_says_so_and_the_traceback_is_there_for_who_wants_it(tmp_path: Path) -> None:
    done = _manage("identity", NOWHERE, tmp_path)
    assert done.returncode == 1
    assert "manage.py: The database cannot be used (" in done.stderr
    assert "is DATABASE_URL right?" in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret-word" not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_setting_that_cannot_be_read_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY_FILE", str(tmp_path / "away"))
    monkeypatch.delenv("SECRET_KEY", raising=False)
    done = _manage("check", "", tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith(f"manage.py: SECRET_KEY_FILE: {tmp_path / 'away'} cannot be read (")
    assert "docs/configuration.md" in done.stderr


def test_a_new_checkout_says_what_to_run_and_that_makes_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first command in a new folder said that a database that is a file is not running."""
    monkeypatch.setenv("KALBOT_STATE", str(tmp_path / "state"))
    done = _manage("explain EVENT --profile careful", "", tmp_path)
    assert (done.returncode, list(tmp_path.iterdir())) == (1, [])
    assert done.stderr.endswith("/state/kalbot.sqlite3. Run: python manage.py migrate\n")
    assert _manage("migrate --plan", "", tmp_path).returncode == 0
    assert "Run: python manage.py migrate" in _manage("explain EVENT --profile careful", "", tmp_path).stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "database", "words"),
    [
        ("identity --traceback", NOWHERE, "Traceback"),
        ("families", "sqlite:///{folder}/empty.sqlite3", "Run: python manage.py migrate"),
        (
            "seed",
            "sqlite:////no/such/folder/x.sqlite3",
            "no database yet, or it cannot be read: /no/such/folder/x.sqlite3",
        ),
        ("migrate", "sqlite:////proc/no/x.sqlite3", "The folder of the database, /proc/no, cannot be made ("),
    ],
)
def test_each_way_to_be_without_one_has_its_words(line: str, database: str, words: str, tmp_path: Path) -> None:
    done = _manage(line, database.format(folder=tmp_path), tmp_path)
    assert done.returncode == 1
    assert words in done.stderr
    assert ("Traceback" in done.stderr) == ("--traceback" in line)


@pytest.mark.django_db
def test_what_is_missing_is_read_off_the_error() -> None:
    with pytest.raises(DatabaseError) as table, connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM a_table_of_a_later_version")
    assert command_line.missing(table.value).endswith("Run: python manage.py migrate")
    with pytest.raises(redis.RedisError) as away:
        redis.Redis(port=1).ping()
    assert command_line.missing(away.value).startswith("Redis does not answer (")
    assert command_line.missing(ValueError("a fault of ours")) == ""


def test_beat_without_tables_says_so(tmp_path: Path) -> None:
    env = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{tmp_path}/empty.sqlite3",
        "KALBOT_ENV_FILE": "",
        "KALBOT_STATE": str(tmp_path),
    }
    command = [sys.executable, "-m", "celery", "-A", "kalbot", "beat", "--pidfile="]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "kalbot: The database has not the tables of this version" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_web_process_does_not_complain_that_nothing_was_collected(tmp_path: Path) -> None:
    env = {**os.environ, "STATIC_ROOT": str(tmp_path / "none"), "KALBOT_ENV_FILE": "", "KALBOT_STATE": str(tmp_path)}
    command = [sys.executable, "-c", "import kalbot.wsgi"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
