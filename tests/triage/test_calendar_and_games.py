"""The calendar of releases and the scoreboard of games: what they cover, when they are silent, and what they silence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.triage.test_subjects import EVENT as COIN
from triage.agent import flags
from triage.assessment.signals import Severity
from triage.evidence.games import leg_is_home
from triage.sources.protocol import (
    EventFacts,
    Listing,
    NoOpinion,
    Opinion,
    Report,
    Silence,
    Snapshot,
    SourceError,
    Subject,
)
from triage.sources.registry import ON_TRIAL, silence_after_release
from triage.sources.releases import Releases, release_days
from triage.sources.scoreclock import ScoreClock, games, seconds_left, strength_of, win_probability

HOUR = 3_600_000
RULE = (
    "If {} wins the Sacramento vs Golden State professional basketball game originally scheduled for Apr 7, 2026, then the market "
    "resolves to Yes."
)
GAME = EventFacts(
    "KXNBAGAME-26APR07SACGSW",
    "KXNBAGAME",
    "Sacramento vs Golden State",
    tuple(
        Listing(f"KXNBAGAME-26APR07SACGSW-{code}", "structured", "", "", RULE.format(name))
        for code, name in (("GSW", "Golden State"), ("SAC", "Sacramento"))
    ),
    (),
)


def _ms(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type,misc]  # year to minute


def _score(state: str = "in", period: int = 4, clock: str = "5:00", home: Any = "101", **odds: Any) -> dict[str, Any]:
    sides = [
        {"homeAway": "home", "team": {"abbreviation": "GS"}, "score": home},
        {"homeAway": "away", "team": {"abbreviation": "SAC"}, "score": "95"},
    ]
    status = {"period": period, "displayClock": clock, "type": {"state": state}}
    return {"competitions": [{"competitors": sides, "status": status, "odds": [odds] if odds else None}]}


def _said(event: dict[str, Any], age_ms: int = 0, facts: EventFacts = GAME) -> Opinion | NoOpinion:
    snapshot = Snapshot(1_000_000, 1_000_000, {"games": games({"events": [event]})})
    return ScoreClock().opine(facts, Subject("nba/20260407"), snapshot, 1_000_000 + age_ms)


def test_a_lead_becomes_a_probability_for_the_side_that_the_ticker_names() -> None:
    said = _said(_score())
    assert isinstance(said, Opinion)
    home = said.probabilities["KXNBAGAME-26APR07SACGSW-GSW"]
    assert home == pytest.approx(win_probability(6, 300, 2.5))
    assert said.probabilities["KXNBAGAME-26APR07SACGSW-SAC"] == pytest.approx(1 - home)
    favoured, unusable = _said(_score(spread=-9.5)), _said(_score(spread=900))
    assert isinstance(favoured, Opinion)
    assert isinstance(unusable, Opinion)
    assert favoured.probabilities["KXNBAGAME-26APR07SACGSW-GSW"] > home
    assert unusable.probabilities == said.probabilities
    assert strength_of(0.5) == pytest.approx(0.0)
    assert "scoreclock" in ON_TRIAL


@pytest.mark.parametrize(
    ("event", "age_ms", "reason"),
    [
        (_score("pre"), 0, "not begun"),
        (_score("post"), 0, "over"),
        (_score(), 61_000, "old"),
        (_score(), -1, "old"),
        (_score(clock="soon"), 0, "clock"),
        (_score(period=9, clock="6:00"), 0, "clock"),
        (_score(home="1e3"), 0, "no such game"),
        (_score(home=None), 0, "no such game"),
        (_score("halftime"), 0, "no such game"),
    ],
)
def test_a_game_that_is_not_in_play_or_not_read_is_no_opinion(event: dict[str, Any], age_ms: int, reason: str) -> None:
    said = _said(event, age_ms)
    assert isinstance(said, NoOpinion)
    assert reason in said.reason


def test_one_odd_game_costs_itself_only_and_two_alike_are_none() -> None:
    found = games({"events": [None, {"competitions": None}, _score(), {"competitions": [{"competitors": [1, 2]}]}]})
    assert len(found) == 1
    with pytest.raises(SourceError):
        games([])
    twice = Snapshot(0, 0, {"games": found * 2})
    said = ScoreClock().opine(GAME, Subject("nba/20260407"), twice, 0)
    assert said == NoOpinion("the scoreboard has two such games")


@pytest.mark.parametrize(
    "rule",
    [
        RULE.replace("Apr 7", "Apr 8"),
        RULE.replace("wins the", "wins by more than 5 points the"),
        RULE.replace("basketball game", "basketball game, first half,"),
        RULE + " Overtime is not counted.",
        "",
    ],
)
def test_rules_that_are_not_who_wins_the_game_of_the_day_are_not_covered(rule: str, settings: Any) -> None:
    settings.KALSHI_REST_URL = "https://external-api.kalshi.com/trade-api/v2"
    assert isinstance(ScoreClock().subject(GAME), Subject)
    names = ("Golden State", "Sacramento")
    odd = tuple(replace(x, rules=rule.format(name)) for x, name in zip(GAME.listings, names, strict=True))
    assert isinstance(ScoreClock().subject(replace(GAME, listings=odd)), NoOpinion)
    assert isinstance(ScoreClock().subject(replace(GAME, listings=GAME.listings[:1])), NoOpinion)
    assert isinstance(ScoreClock().subject(replace(GAME, listings=(GAME.listings[0], GAME.listings[0]))), NoOpinion)


def test_a_leg_is_the_home_side_in_whichever_code_it_is_written() -> None:
    game = {"home": "NY", "away": "BOS"}
    assert [leg_is_home(game | {"ticker": f"KXNBAGAME-26APR09BOSNYK-{leg}"}) for leg in ("NYK", "BOS", "LAL")] == [
        True,
        False,
        None,
    ]
    assert seconds_left(4, "-1:30") is None


FED = EventFacts("KXFEDDECISION-26NOV", "KXFEDDECISION", "Fed decision", (), (), close_ms=_ms(2026, 11, 5, 19, 0))


def _calendar(
    now_ms: int, days: tuple[str, ...] = ("2026-09-16", "2026-11-05", "2026-12-16"), event: EventFacts = FED
) -> NoOpinion:
    return Releases().opine(event, Subject("fred/101"), Snapshot(now_ms, now_ms, {"days": list(days)}), now_ms)


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (_ms(2026, 11, 1, 12, 0), Silence.ORDINARY),
        (_ms(2026, 11, 4, 18, 59), Silence.ORDINARY),
        (_ms(2026, 11, 4, 19, 0), Silence.RELEASE_NEAR),
        (_ms(2026, 11, 5, 18, 59), Silence.RELEASE_NEAR),
        (_ms(2026, 11, 5, 19, 0), Silence.RELEASED),
    ],
)
def test_a_release_is_near_a_day_before_its_hour_in_new_york_and_out_from_then_on(now: int, code: Silence) -> None:
    """The clocks went back on 1 November: 14:00 in New York is 19:00 UTC, in September it was 18:00."""
    assert _calendar(now).code is code
    september = replace(FED, close_ms=_ms(2026, 9, 16, 18, 0))
    assert _calendar(_ms(2026, 9, 16, 18, 0), event=september).code is Silence.RELEASED
    assert _calendar(_ms(2026, 9, 16, 17, 59), event=september).code is Silence.RELEASE_NEAR


def test_a_calendar_that_is_old_or_names_another_day_says_nothing() -> None:
    assert "no release" in _calendar(_ms(2026, 11, 5, 12, 0), ("2026-09-16", "2026-12-16")).reason
    old = Snapshot(0, 0, {"days": ["2026-11-05"]})
    assert "old" in Releases().opine(FED, Subject("fred/101"), old, 73 * HOUR).reason


def test_without_a_key_there_is_no_calendar_and_the_key_is_in_no_message(settings: Any) -> None:
    settings.KALSHI_REST_URL = "https://external-api.kalshi.com/trade-api/v2"
    settings.FRED_API_KEY = ""
    assert Releases().subject(FED) == NoOpinion("no key of the calendar (FRED_API_KEY)")
    settings.FRED_API_KEY = "s3cret"
    subject = Releases().subject(FED)
    assert isinstance(subject, Subject)
    assert "s3cret" not in str(subject)
    assert isinstance(Releases().subject(COIN), NoOpinion)

    class Wrong:
        def get_json(self, url: str, params: Any = None) -> Any:
            assert params["api_key"] == "s3cret"
            return {"error_message": "The value for variable api_key s3cret is not registered."}

    with pytest.raises(SourceError) as refused:
        Releases().fetch(subject, Wrong(), 0)
    assert "s3cret" not in str(refused.value)


def test_days_of_another_release_and_rows_that_cannot_be_read_are_left_out() -> None:
    rows = [{"release_id": 101, "date": "2026-11-05"}, {"release_id": 10, "date": "2026-11-12"}, None,
            {"release_id": 101, "date": "2026-02-30"}, {"release_id": 101, "date": None}]  # fmt: skip
    assert release_days({"release_dates": rows}, 101) == ["2026-11-05"]
    with pytest.raises(SourceError):
        release_days({"release_dates": rows}, 50)


def test_after_a_release_every_source_is_silent_and_before_it_a_person_is_warned() -> None:
    said = Report("desk", Opinion({"A": 1.0}, 0, "a desk"), "", 5)
    out = Report("releases", None, "FOMC decision is out", code=Silence.RELEASED)
    near = Report("releases", None, "in 3 h", code=Silence.RELEASE_NEAR)
    assert [line.reason for line in silence_after_release([said, out]) if line.source == "desk"] == [out.reason]
    assert silence_after_release([said, near]) == [said, near]
    assert [(s.code, s.severity) for s in flags([said, near], is_certain=False)] == [("release_near", Severity.WATCH)]
    assert [s.severity for s in flags([near], is_certain=True)] == [Severity.INFO]
    assert not list(flags([said, out], is_certain=False))
