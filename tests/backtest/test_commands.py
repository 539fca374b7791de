"""What a stranger types: a wrong option is one sentence, before anything is replayed or written."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.conftest import ROOT

pytestmark = pytest.mark.django_db
SAMPLE = str(ROOT / "backtest/data/miami-2024-08")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--cycle-seconds", "0"], "no interval"),
        (["--cycle-seconds", "-3"], "no interval"),
        (["--cycle-seconds", "1.5"], "no interval"),
        (["--touch-size", "-5"], "no number of contracts"),
        (["--touch-size", "many"], "not a decimal"),
        (["--latency", "nan"], "no latency"),
        (["--latency", "inf"], "no latency"),
        (["--latency", "5:nan:9"], "no latency"),
        (["--latency", "9:5:7"], "no latency"),
        (["--from", "2030-01-01"], "the tape goes from 2024-08-15"),
        (["--to", "2020-01-01"], "the tape goes from 2024-08-15"),
        (["--from", "2024-08-17", "--to", "2024-08-16"], "is not before"),
        (["--html", "/no such folder/x.html"], "No such file"),
        (["--set", 'kinds=["all_yes", "all_maybe"]'], "there is no all_maybe"),
        (["--set", "min_profit=much"], "integer"),
        (["--set", "no_column=1"], "no no_column"),
        (["--profile", "nobody"], "no profile"),
        (["--rules", "/no such file"], "cannot be read"),
    ],
    ids=lambda value: "" if isinstance(value, str) else " ".join(value),
)
def test_a_wrong_option_is_a_sentence(options: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("backtest", "--tape", SAMPLE, *options)


@pytest.mark.parametrize("option", ["--jobs", "--folds", "--most"])
def test_a_sweep_of_less_than_one_is_a_sentence(option: str) -> None:
    with pytest.raises(CommandError, match="at least 1"):
        call_command("sweep", "--tape", SAMPLE, "--try", "min_profit=[0]", option, "0")


def test_a_part_is_never_added_to_a_tape_that_is_there(tmp_path: Path) -> None:
    part = tmp_path / "part"
    call_command("tape", "cut", SAMPLE, str(part), "--to", "2024-08-15T15:00", stdout=(out := StringIO()))
    assert "records" in out.getvalue()
    before = sorted(path.name for path in part.iterdir())
    for folder in (part, Path(SAMPLE)):
        with pytest.raises(CommandError, match="holds a tape already"):
            call_command("tape", "cut", SAMPLE, str(folder))
    assert sorted(path.name for path in part.iterdir()) == before
    with pytest.raises(CommandError, match="exists"):
        call_command("tape", "cut", SAMPLE, str(part / before[0]))
