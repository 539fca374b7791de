"""A command that is called wrongly says what is wrong and does nothing: no traceback, and its status is that of a mistake."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = "postgres://kalbot:secret-word@127.0.0.1:1/kalbot"
HELP = [
    ("lock", "--check"),
    ("secrets", "FOLDER"),
    ("setup", "requirements-dev.lock"),
    ("keep", "bin/keep NAME COMMAND"),
    ("api-changes", "OLD.yaml NEW.yaml"),
]
SLOW_HELP = [("backup", "FOLDER"), ("restore", "DUMP"), ("kill-rounds", "a second beat")]
WRONG = [
    ("lock --chek", 2, "--chek is not known"),
    ("secrets --all", 2, "--all is not known"),
    ("secrets /no/such/folder", 2, "there is no folder /no/such/folder"),
    ("secrets a b", 2, "one folder"),
    ("setup --again", 2, "takes nothing"),
    ("keep", 2, "a name and a command are needed"),
    ("keep x no-such-command", 127, "no-such-command cannot be run"),
    ("keep x /etc/passwd", 126, "/etc/passwd cannot be run"),
    ("api-changes a.yaml b.yaml", 2, "a.yaml cannot be read: No such file"),
    ("kalbot --url nonsense status", 1, "is no address"),
]
SLOW_WRONG = [
    ("backup", 2, "FOLDER"),
    ("backup a b", 2, "unrecognized arguments: b"),
    ("backup /etc/passwd", 1, "File exists: '/etc/passwd'"),
    ("restore no.dump", 1, "no.json, which says what the dump is, cannot be read"),
    ("restore here.dump", 1, "here.json is not from bin/backup: it lacks code, made_at, migrations"),
    ("restore known.dump", 1, "the database does not answer"),
    ("kill-rounds --all --only nosuch", 2, "no kind of fault has 'nosuch' in its name"),
    ("kill-rounds --state /etc", 2, "/etc is no empty folder"),
    ("kill-rounds --only beat", 2, "--only chooses of the kinds of --all"),
    ("soak --minutes 0", 2, "must be more than zero"),
    ("demo --port 99999", 2, "--port must be between"),
    ("demo --json /no/such/folder/x.json", 2, "there is no folder /no/such/folder"),
]


def _slow(rows: Sequence[tuple[object, ...]]) -> list[object]:
    return [pytest.param(*row, marks=pytest.mark.slow) for row in rows]


def _run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of bin/ from a folder of the person's own."""
    name, *rest = line.split()
    env = {**os.environ, "DATABASE_URL": NOWHERE, "KALBOT_API_TOKEN": "x", "KALBOT_ENV_FILE": ""}
    return subprocess.run(
        [str(ROOT / "bin" / name), *rest], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize(("name", "words"), [*HELP, *_slow(SLOW_HELP)])
def test_help_is_printed_and_no_mistake(name: str, words: str, tmp_path: Path) -> None:
    done = _run(f"{name} --help", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert words in " ".join(done.stdout.split())


@pytest.mark.parametrize(("line", "status", "words"), [*WRONG, *_slow(SLOW_WRONG)])
def test_a_mistake_is_said_in_words(line: str, status: int, words: str, tmp_path: Path) -> None:
    (tmp_path / "here.json").write_text('{"sha256": ""}')
    digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # of nothing
    (tmp_path / "known.dump").touch()
    (tmp_path / "known.json").write_text(f'{{"sha256": "{digest}", "made_at": "", "code": "", "migrations": []}}')
    done = _run(line, tmp_path)
    assert done.returncode == status, done.stdout + done.stderr
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert "secret-word" not in done.stdout + done.stderr
