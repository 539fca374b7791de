"""Score and clock of a basketball game into the chance that each side wins: a public scoreboard, one request a day of games.

The lead at the end is the lead now plus what is left of the strength, with a normal error that shrinks with the square root of the time
left (Stern 1994). Strength comes from the bookmakers' line where the scoreboard carries one, else from playing at home. The scoreboard does
not say how late it is, and on recorded games the market was never worse (``docs/triage-evidence.md``): the source is on trial
(``triage.scoring.trial``), scored beside the market and silent until it has beaten it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from math import sqrt
from statistics import NormalDist
from typing import Any, Final

from markets.terms.reading.text import plain
from triage import conf
from triage.sources.protocol import (
    Client,
    EventFacts,
    Listing,
    NoOpinion,
    Opinion,
    Snapshot,
    SourceError,
    Subject,
)
from triage.sources.values import number, objects
from triage.weather.mapping import Unmapped, ticker_day

SERIES: Final = "KXNBAGAME"
MAX_AGE_MS: Final = 60_000
SPREAD: Final = 12.5
"""Points, one standard deviation of a professional game's final lead about its expectation."""
HOME: Final = 2.5
"""Points that playing at home is worth, a round number."""
LARGEST_LINE: Final = 40.0
GAME_SECONDS: Final = 48 * 60
PERIOD_SECONDS: Final = 12 * 60
OVERTIME_SECONDS: Final = 5 * 60
CODES: Final = {"GS": "GSW", "NY": "NYK", "SA": "SAS", "UTAH": "UTA"}
"""The scoreboard's codes of sides that the exchange's tickers write otherwise, as recorded. A side that is in neither form has no game."""
_NORMAL: Final = NormalDist()
_RULE: Final = re.compile(
    r"If (?P<side>.+?) wins the (?P<game>.+ (?:vs\.?|at) .+?) (?:men's )?(?:professional |pro )?basketball game originally scheduled "
    r"for (?P<day>[A-Z][a-z]{2,8} \d{1,2}, 20\d\d), then the market resolves to Yes\."
)


class ScoreClock:
    """The source ``scoreclock``."""

    name = "scoreclock"
    refresh_seconds = 20

    def subject(self, event: EventFacts) -> Subject | NoOpinion:
        if event.series != SERIES:
            return NoOpinion("no professional basketball game")
        try:
            day = ticker_day(event.ticker[: len(SERIES) + len("-26MAR19")])
        except Unmapped as error:
            return NoOpinion(str(error))
        if not _is_winner(event.listings, f"{day:%Y-%m-%d}"):
            return NoOpinion("its rules are not who wins the game of its day")
        if not conf.may_query(conf.scores_url()):
            return NoOpinion("the exchange is a simulator; the real game says nothing about it")
        return Subject(f"nba/{day:%Y%m%d}", {"day": f"{day:%Y%m%d}"})

    def fetch(self, subject: Subject, client: Client, now_ms: int) -> Snapshot:
        answer = client.get_json(f"{conf.scores_url()}/basketball/nba/scoreboard", {"dates": str(subject.data["day"])})
        return Snapshot(now_ms, now_ms, {"games": games(answer)})

    def opine(self, event: EventFacts, subject: Subject, snapshot: Snapshot, now_ms: int) -> Opinion | NoOpinion:
        age = now_ms - snapshot.as_of_ms
        if not 0 <= age <= MAX_AGE_MS:
            return NoOpinion(f"the score is {age / 1000:.0f} s old")
        codes = {listing.ticker.rpartition("-")[2]: listing.ticker for listing in event.listings}
        found = [game for game in snapshot.data["games"] if {game["home"], game["away"]} == codes.keys()]
        if len(found) != 1:
            return NoOpinion("the scoreboard has no such game" if not found else "the scoreboard has two such games")
        game = found[0]
        if game["state"] != "in":
            return NoOpinion("the game has not begun" if game["state"] == "pre" else "the game is over")
        left = seconds_left(game["period"], game["clock"])
        if left is None:
            return NoOpinion("the clock cannot be read")
        strength = HOME if game["line"] is None else -game["line"]
        home = win_probability(game["home_points"] - game["away_points"], left, strength)
        words = f"{game['away']} {game['away_points']}, {game['home']} {game['home_points']}, {left / 60:.0f} min left"
        said = {codes[game["home"]]: home, codes[game["away"]]: 1 - home}
        return Opinion(said, snapshot.as_of_ms, words, f"{SPREAD:g} points a game; how late the score is nobody says")


def _is_winner(listings: tuple[Listing, ...], day: str) -> bool:
    """Whether two outcomes are the two sides of one game on this day, by their rules."""
    read = [_RULE.fullmatch(plain(listing.rules)) for listing in listings]
    known = [one for one in read if one is not None]
    if len(listings) != 2 or len(known) != 2 or known[0]["game"] != known[1]["game"]:
        return False
    sides = re.split(r" (?:vs\.?|at) ", known[0]["game"])
    return sorted(one["side"] for one in known) == sorted(sides) and all(_day(one["day"]) == day for one in known)


def _day(text: str) -> str:
    for form in ("%b %d, %Y", "%B %d, %Y"):
        try:
            return f"{datetime.strptime(text, form):%Y-%m-%d}"
        except ValueError:
            continue
    return ""


def games(answer: Any) -> list[dict[str, Any]]:
    """Every game of a scoreboard that can be read whole. SourceError where the answer is no scoreboard."""
    if not isinstance(answer, Mapping):
        raise SourceError("not a scoreboard")
    read = (_game(event) for event in objects(answer.get("events"), "the scoreboard's games"))
    return [game for game in read if game is not None]


def _game(event: Mapping[str, Any]) -> dict[str, Any] | None:
    """One game; None where a part of it is missing or odd: it is left out and the others stay."""
    contests = event.get("competitions")
    contest = contests[0] if isinstance(contests, list) and len(contests) == 1 else None
    if not isinstance(contest, Mapping) or not isinstance(contest.get("competitors"), list):
        return None
    competitors = [one for one in contest["competitors"] if isinstance(one, Mapping)]
    sides = {one["homeAway"]: one for one in competitors if one.get("homeAway") in ("home", "away")}
    status = contest.get("status")
    if not isinstance(status, Mapping):
        return None
    kind = status.get("type")
    if len(contest["competitors"]) != 2 or len(sides) != 2 or not isinstance(kind, Mapping):
        return None
    found: dict[str, Any] = {"state": kind.get("state"), "line": _line(contest)}
    for side in ("home", "away"):
        team, points = sides[side].get("team"), number(sides[side].get("score"))
        code = team.get("abbreviation") if isinstance(team, Mapping) else None
        if not isinstance(code, str) or points is None or not 0 <= points <= 300 or points != int(points):
            return None
        found |= {side: CODES.get(code, code), f"{side}_points": int(points)}
    period, clock = number(status.get("period")), status.get("displayClock")
    if found["state"] not in ("pre", "in", "post") or period is None or not isinstance(clock, str):
        return None
    return found | {"period": int(period), "clock": clock}


def _line(contest: Mapping[str, Any]) -> float | None:
    """Points that the home side gives (negative: it is the stronger), None where there is no usable line."""
    odds = contest.get("odds")
    first = odds[0] if isinstance(odds, list) and odds else None
    line = number(first.get("spread")) if isinstance(first, Mapping) else None
    return None if line is None or abs(line) > LARGEST_LINE else line


def strength_of(before: float) -> float:
    """Points by which a side is expected to win, from its probability before the game."""
    return SPREAD * _NORMAL.inv_cdf(min(0.98, max(0.02, before)))


def win_probability(lead: float, seconds_left: float, strength: float) -> float:
    """Probability that the side that leads by ``lead`` points wins. ``strength``: points by which it was expected to before the game."""
    left = max(0.0, min(1.0, seconds_left / GAME_SECONDS))
    if not left:
        return 0.5 if lead == 0 else float(lead > 0)
    return _NORMAL.cdf((lead + strength * left) / (SPREAD * sqrt(left)))


def seconds_left(period: int, clock: str) -> float | None:
    """Seconds of play that are left: in overtime those of the overtime. None for a clock that cannot be read.

    >>> seconds_left(1, "12:00"), seconds_left(4, "0.0"), seconds_left(5, "4:30"), seconds_left(2, "soon")
    (2880.0, 0.0, 270.0, None)
    """
    minutes, _, rest = clock.rpartition(":")
    try:
        inside = float(rest) + 60 * int(minutes or 0)
    except ValueError:
        return None
    whole = PERIOD_SECONDS if period <= 4 else OVERTIME_SECONDS
    if period < 1 or not 0 <= inside <= whole:
        return None
    return inside + PERIOD_SECONDS * max(0, 4 - period)
