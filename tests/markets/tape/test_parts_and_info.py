"""``tape cut`` and ``tape export`` of a time that the tape does not have are refused in words, and ``tape info`` is for people."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.conftest import ROOT

SAMPLE = ROOT / "backtest/data/miami-2024-08"


@pytest.mark.parametrize("action", ["cut", "export"])
@pytest.mark.parametrize(
    ("times", "sentence"),
    [
        (("--from", "2030-01-01"), "the tape goes from 2024-08-15"),
        (("--to", "2020-01-01"), "nothing of it is in that time"),
        (("--from", "2024-08-17", "--to", "2024-08-16"), "is not before --to 2024-08-16"),
    ],
)
def test_a_time_that_the_tape_does_not_have_is_refused(
    tmp_path: Path, action: str, times: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("tape", action, str(SAMPLE), str(tmp_path / "part"), *times)
    assert not (tmp_path / "part").exists()


def test_info_has_words_and_no_structures(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("tape", "info", str(SAMPLE))
    said = capsys.readouterr().out
    assert "absent: " in said or "source: " in said
    assert not set("{}[]") & set(said)
    assert "True" not in said
