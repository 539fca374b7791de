"""What a stranger types: a wrong option is one sentence, before anything is replayed or written."""

from __future__ import annotations

import json
import signal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from backtest.models import BacktestRun
from backtest.options import Options
from backtest.replay import session
from backtest.report import whole
from backtest.report.results import Result
from backtest.studies import evidence
from tests.backtest.tapes import planted
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
        (["--html", "/no such folder/x.html"], "^/no such folder/x.html: No such file"),
        (["--set", 'kinds=["all_yes", "all_maybe"]'], "there is no all_maybe"),
        (["--set", "min_profit=much"], "integer"),
        (["--set", "no_column=1"], "no no_column"),
        (["--set", "id=7"], "no id to be set"),
        (["--set", "shadow_of_id=1"], "no shadow_of_id to be set"),
        (["--set", "min_margin_ppm=0.5"], "would be taken as 0"),
        (["--set", "min_profit=true"], "would be taken as 1"),
        (["--set", "min_profit=inf"], "no value of it"),
        (["--set", "max_days_to_close=nan"], "no number"),
        (["--set", "max_days_to_close=NaN"], "no number"),
        (["--set", "kinds=5"], "no list of names"),
        (["--set", "categories=[1]"], "no list of names"),
        (["--set", 'series_include="KXA"'], "no list of names"),
        (["--set", "subaccount=[]"], "subaccount: "),
        (["--profile", "nobody"], "no profile"),
        (["--profile", "/no such file.toml"], "/no such file.toml: No such file"),
        (["--rules", "/no such file"], "cannot be read"),
    ],
    ids=lambda value: "" if isinstance(value, str) else " ".join(value),
)
def test_a_wrong_option_is_a_sentence(options: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("backtest", "--tape", SAMPLE, *options)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xff\xfe", "no text in UTF-8"),
        (b'min_profit = "x', "Unterminated"),
        (b"base = 5", "its base 5 is no name"),
        (b"base = 'own.toml'", "own.toml is its own base"),
        (b"base = 'nobody'", "no profile"),
        (b"max_days_to_close = nan", "no number"),
    ],
)
def test_a_file_that_is_no_profile_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.toml").write_bytes(content)
    with pytest.raises(CommandError, match=sentence):
        call_command("backtest", "--tape", SAMPLE, "--profile", "own.toml")


@pytest.mark.parametrize("option", ["--jobs", "--folds", "--most"])
def test_a_sweep_of_less_than_one_is_a_sentence(option: str) -> None:
    with pytest.raises(CommandError, match="at least 1"):
        call_command("sweep", "--tape", SAMPLE, "--try", "min_profit=[0]", option, "0")


@pytest.mark.parametrize("tried", ["min_profit=[]", "min_profit=5", 'shape="equal"'])
def test_a_sweep_over_nothing_is_a_sentence(tried: str) -> None:
    with pytest.raises(CommandError, match="has no list of values"):
        call_command("sweep", "--tape", SAMPLE, "--try", tried)


@pytest.mark.parametrize(
    ("tried", "sentence"),
    [
        (["min_profit"], "it names no values"),
        (["min_profit=[1"], r"--try min_profit=\[1 is not of the form"),
        (["min_profit=[1]", "min_profit=[2]"], "names min_profit twice"),
    ],
    ids=str,
)
def test_values_that_cannot_be_read_are_named(tried: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("sweep", "--tape", SAMPLE, *(word for one in tried for word in ("--try", one)))


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


def test_an_interrupted_backtest_shows_and_keeps_the_runs_that_had_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the second of two runs. A test that runs beside others ignores it else."""
    tape, report, whole_run = planted(tmp_path / "tape"), tmp_path / "report.html", session.run
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    begun: list[str] = []

    def run(options: Options, **rest: Any) -> Result:
        begun.append(options.profile["name"])
        if len(begun) == 2:
            rest["progress"] = lambda at: signal.raise_signal(signal.SIGINT)
        return whole_run(options, **rest)

    monkeypatch.setattr(session, "run", run)
    arguments = ["--tape", str(tape), "--profile", "careful", "--profile", "coverage", "--save", "--json"]
    try:
        with pytest.raises(CommandError, match="1 of 2 runs had ended and are kept") as raised:
            call_command("backtest", *arguments, "--html", str(report), stdout=(out := StringIO()))
    finally:
        signal.signal(signal.SIGINT, before)
    assert raised.value.returncode == 130
    assert [one["profile"] for one in json.loads(out.getvalue())["runs"]] == ["careful"]
    assert "careful" in report.read_text()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    (kept,) = BacktestRun.objects.all()
    assert kept.profile == "careful"


def test_a_report_that_cannot_be_written_leaves_the_one_that_is_there(tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    report.write_text("before")
    with pytest.raises(UnicodeEncodeError):
        whole.write(report, "cannot be encoded: \ud800")
    assert report.read_text() == "before"
    assert list(tmp_path.iterdir()) == [report]
    with pytest.raises(IsADirectoryError):
        whole.check(tmp_path)


def test_a_kept_line_is_run_again_where_it_cannot_be_kept_and_read_again_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = evidence.Line(planted(tmp_path / "tape"), "careful", "careful", ())
    (tmp_path / "full").write_text("a file where the folder should be")
    unkept = evidence.run_line(line, tmp_path / "full")
    kept = evidence.run_line(line, tmp_path / "kept")
    assert kept["fingerprint"] == unkept["fingerprint"]
    monkeypatch.setattr(session, "run", None)
    assert evidence.run_line(line, tmp_path / "kept") == kept
    monkeypatch.setattr(evidence, "_code", lambda: "of another version")
    with pytest.raises(TypeError):
        evidence.run_line(line, tmp_path / "kept")


def test_the_command_replays_profiles_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tape = planted(tmp_path)
    sets = [option for text in ("min_profit=0", 'least_grade="if_determined"') for option in ("--set", text)]
    command = ["backtest", "--tape", str(tape), "--profile", "careful", "--profile", "balanced", *sets]
    call_command(*command, "--together", "--cash", "1000", "--json")
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert (run["profile"], run["options"]["cash"]) == ("careful + balanced", {"": 1_000_000_000})
    with pytest.raises(CommandError, match="--cash is for profiles that trade --together"):
        call_command(*command, "--cash", "1000")
