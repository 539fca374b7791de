"""Learning from tapes: recorded answers of sources teach what they would have taught, once, and never what was not known."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from backtest.studies import lessons
from markets.models import Market
from markets.tape import store
from markets.tape.imports.listing import market
from markets.tape.imports.rest_books import settlement
from markets.tape.imports.source import iso
from markets.tape.records import Kind, Record
from markets.tape.store import json_record
from tests.backtest.tapes import SECOND, START, Recorder
from tests.markets.terms.wording import WEATHER_NOTE, WEATHER_RULE
from triage.models import LearnedErrors, PointForecast

pytestmark = pytest.mark.django_db
HOUR = 3_600 * SECOND
EVENT = "KXHIGHNY-26AUG12"
NAMED = {"name": "NWS", "url": "https://forecast.weather.gov/product.php?site=OKX&product=CLI&issuedby=NYC"}
STRIKES: tuple[tuple[str, int | None, int | None], ...] = (
    ("less", None, 83),
    ("between", 83, 84),
    ("greater", 84, None),
)
WORDS = {"less": "less than {1}\u00b0", "greater": "greater than {0}\u00b0", "between": "between {0}-{1}\u00b0"}


def _listed() -> list[Record]:
    tape = Recorder()
    ends = iso(START + 53 * HOUR)
    markets = []
    for number, (kind, low, high) in enumerate(STRIKES):
        strikes = {"strike_type": kind, "floor_strike": low, "cap_strike": high}
        one = market(
            f"{EVENT}-L{number}", strikes=strikes, times={"close_time": ends, "expected_expiration_time": ends}
        )
        rule = WEATHER_RULE.replace("July 16, 2026", "August 12, 2026")
        markets.append(
            one | {"rules_primary": rule.format(WORDS[kind].format(low, high)), "rules_secondary": WEATHER_NOTE}
        )
    tape.listed(0, EVENT, markets)
    series = {
        "ticker": "KXHIGHNY",
        "title": "",
        "category": "Climate and Weather",
        "fee_type": "quadratic",
        "fee_multiplier": 1,
    }
    return [json_record(START, Kind.SERIES, "KXHIGHNY", series | {"settlement_sources": [NAMED]}), *tape.records[1:]]


def _answer(hour: float, degrees: float, **changes: Any) -> Record:
    at = START + round(hour * HOUR)
    day = (START + 29 * HOUR) // 10**6
    hours = [[day + n * 3_600_000, day + (n + 1) * 3_600_000, degrees if n == 15 else 70.0] for n in range(24)]
    nothing: dict[str, Any] = {"spans": [], "readings": [], "extremes": [], "reports": []}
    data = {"updated": at // 10**6 - 60_000, "hours": hours, **nothing} | changes
    content = {"source": "nws", "subject": "KNYC", "fetched_ms": at // 10**6, "as_of_ms": data["updated"], "data": data}
    return json_record(at, Kind.SOURCE, "nws:KNYC", content)


def _tape(folder: Path, *records: Record) -> Path:
    store.write(folder, "triage", {"source": "test"}, [*_listed(), *records])
    return folder


def _results() -> list[Record]:
    return [settlement(START + 64 * HOUR, f"{EVENT}-L{n}", "yes" if n == 2 else "no", "87.00") for n in range(3)]


def test_an_answer_on_a_tape_is_a_forecast_that_settles_on_the_exchange_s_value(tmp_path: Path) -> None:
    found = lessons.read(_tape(tmp_path, _answer(10, 84.0), _answer(10.2, 85.0), *_results()))
    (row,) = found  # the second is of the same lead
    assert (row.source, row.subject, row.event_id, row.value, row.settled_on) == ("nws", "high/KNYC", EVENT, 84.0, 87.0)
    assert row.formed_at.timestamp() == START / SECOND + 10 * 3_600
    assert PointForecast.objects.count() == 0


def test_an_answer_after_the_result_or_that_cannot_be_read_teaches_nothing(tmp_path: Path) -> None:
    broken = _answer(11, 84.0)._replace(payload=b'{"source": "nws"')
    assert lessons.read(_tape(tmp_path, *_results(), _answer(65, 84.0), broken)) == []
    with pytest.raises(CommandError, match="no answer of a source"):
        call_command("learn_from_tape", str(tmp_path))


@pytest.mark.parametrize("command", ["calibration", "learn_from_tape"])
def test_a_tape_is_named_as_for_other_commands_or_by_itself(command: str, tmp_path: Path) -> None:
    one, other = str(tmp_path / "one"), str(tmp_path / "other")
    for named in ([one], ["--tape", one], ["--tape", one, one]):
        with pytest.raises(CommandError, match=re.escape(f"there is no folder {one}")):
            call_command(command, *named)
    with pytest.raises(CommandError, match=r"which tape\? --tape FOLDER"):
        call_command(command)
    both = f"one tape at a time: {other}, {one}" if command == "learn_from_tape" else f"there is no folder {other}"
    with pytest.raises(CommandError, match=re.escape(both)):
        call_command(command, one, "--tape", other)


def test_the_command_stores_once_and_learns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tape = _tape(tmp_path, _answer(10, 84.0), *_results())
    call_command("learn_from_tape", "--tape", str(tape), "--dry-run")
    assert PointForecast.objects.count() == 0
    for _ in range(2):
        call_command("learn_from_tape", str(tape))
    assert PointForecast.objects.get().settled_on == 87.0
    (version,) = LearnedErrors.objects.all()
    assert version.settled == 1
    assert any(name.startswith("nws/high/") for name in version.cells)
    assert not Market.objects.exists()  # the tape's catalogue stays on the tape
    assert "0 are new here" in capsys.readouterr().out
