"""Signs of life by file, and what is done when they stop."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kalbot import alive
from kalbot.common import life

ROOT = Path(__file__).resolve().parents[2]
SLEEPER = "from kalbot.common import life; import time; life.touch('stream'); time.sleep(600)"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KALBOT_STATE", str(tmp_path))
    return tmp_path


@pytest.fixture
def sleeper(state: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that showed life once and hangs since."""
    process = subprocess.Popen([sys.executable, "-c", SLEEPER], cwd=ROOT)
    while not life.signs():
        time.sleep(0.01)
    yield process
    process.kill()
    process.wait()


def grow_old(seconds: float) -> None:
    for sign in life.signs():
        os.utime(sign.path, (time.time() - seconds,) * 2)


def test_a_fresh_sign_is_life_and_an_old_one_is_not(sleeper: subprocess.Popen[bytes]) -> None:
    assert alive.main(["stream"]) == 0
    assert alive.main(["stream", "beat"]) == 1
    grow_old(life.LATE_SECONDS + 5)
    assert alive.main(["stream"]) == 1
    assert sleeper.poll() is None


def test_a_sign_is_never_read_half_written(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_meanwhile(path: Path, text: str) -> int:
        with path.open("w") as file:
            assert life.signs() == []
            return file.write(text)

    monkeypatch.setattr(Path, "write_text", read_meanwhile)
    life.touch("beat")
    assert [sign.who for sign in life.signs()] == ["beat"]


def test_what_hangs_is_ended_only_on_request_and_only_after_a_minute(sleeper: subprocess.Popen[bytes]) -> None:
    grow_old(life.HUNG_SECONDS - 5)
    assert alive.main(["stream", "--restart"]) == 1
    assert sleeper.poll() is None
    grow_old(life.HUNG_SECONDS + 5)
    assert alive.main(["stream"]) == 1
    assert sleeper.poll() is None
    sleeper.send_signal(19)  # stopped processes read no other signal than SIGKILL
    assert alive.main(["stream", "--restart"]) == 1
    assert sleeper.wait(60) == -9
    assert life.signs() == []


def test_the_file_of_a_process_that_is_gone_or_had_the_same_pid_is_no_sign(state: Path) -> None:
    life.touch("beat")
    assert alive.main(["beat"]) == 0
    (sign,) = life.signs()
    sign.path.write_text("1")
    assert alive.main(["beat"]) == 1
    assert not sign.path.exists()


def test_the_folder_is_that_of_the_environment_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KALBOT_STATE")
    monkeypatch.delenv("KALBOT_ENV_FILE")
    monkeypatch.setattr(life, "ROOT", tmp_path)
    assert life.folder() == tmp_path / ".demo" / "alive"
    (tmp_path / ".env").write_text("A=b\n# KALBOT_STATE=/no\nKALBOT_STATE=/srv/state\n")
    assert life.folder() == Path("/srv/state/alive")


def test_keep_starts_again_what_ended_and_what_hangs_and_leaves_nothing(state: Path) -> None:
    keeper = subprocess.Popen([ROOT / "bin" / "keep", "stream", sys.executable, "-c", SLEEPER], cwd=ROOT)
    try:
        first = next_pid(0)
        grow_old(life.HUNG_SECONDS + 5)
        second = next_pid(first)
        os.kill(second, 9)
        third = next_pid(second)
        keeper.terminate()
        assert keeper.wait(60) == 0
        assert life.process_began(third) == ""
    finally:
        keeper.kill()


def test_what_is_kept_dies_with_its_keeper(state: Path) -> None:
    keeper = subprocess.Popen([ROOT / "bin" / "keep", "stream", sys.executable, "-c", SLEEPER], cwd=ROOT)
    pid = next_pid(0)
    keeper.kill()
    keeper.wait()
    end = time.monotonic() + 60
    while life.process_began(pid) and time.monotonic() < end:
        time.sleep(0.01)
    assert life.process_began(pid) == ""


def next_pid(before: int) -> int:
    """The process that shows life now and is another one than ``before``."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for sign in life.signs():
            if sign.pid != before:
                return sign.pid
        time.sleep(0.02)
    raise AssertionError("no process showed life")
