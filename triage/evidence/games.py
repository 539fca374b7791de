"""Basketball games replayed: win probability from score and clock against the market and ESPN's own model. Pure.

The lead at the end is the lead now plus what is left of the strength, with a normal error that shrinks with the square root of
the time left (Stern 1994). Strength comes from the market's price before the game, the spread of a whole game is a round number; nothing is
fitted to the games that are scored. Read from ``sports/*_games.jsonl.gz``: plays with their time, minute prices of one leg, the result.
"""

from __future__ import annotations

import gzip
import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log, sqrt
from pathlib import Path
from statistics import NormalDist
from typing import Any, Final

from triage.scoring.scoring import SMALLEST, brier_binary

SPREAD: Final = 12.5
"""Points, one standard deviation of a professional game's final lead about its expectation."""
GAME_SECONDS: Final = 48 * 60
PERIOD_SECONDS: Final = 12 * 60
OVERTIME_SECONDS: Final = 5 * 60
CHECKPOINTS: Final = (36, 24, 12, 6, 2)
"""Minutes left at which a game is scored."""
_NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True)
class GameScore:
    """One forecaster (score and clock, ESPN, market) at one checkpoint of one game: of the recorded leg."""

    name: str
    game: str
    minutes: int
    brier: float
    log_score: float


def win_probability(lead: float, seconds_left: float, before: float) -> float:
    """Probability that the side that leads by ``lead`` points wins. ``before``: its probability before the game."""
    left = max(0.0, min(1.0, seconds_left / GAME_SECONDS))
    strength = SPREAD * _NORMAL.inv_cdf(min(0.98, max(0.02, before)))
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


def run(roots: Iterable[Path]) -> list[GameScore]:
    """Scores of every game of these folders that has a result and a price before it began."""
    games = (game for root in roots for path in sorted(root.glob("**/*_games.jsonl.gz")) for game in _lines(path))
    return [score for game in games if game["result"] in ("yes", "no") for score in _game(game)]


def _game(game: Mapping[str, Any]) -> Iterator[GameScore]:
    about, plays = game["game"], sorted(game["plays"])
    prices = [(row[0], (row[1] + row[2]) / 2) for row in sorted(game["candles"])]
    if not plays or not prices:
        return
    is_home = about["ticker"].endswith("-" + about["home"])
    before, won = _price(prices, plays[0][0]), game["result"] == "yes"
    for minutes in CHECKPOINTS:
        play = next((p for p in plays if _left(p) is not None and (_left(p) or 0.0) <= minutes * 60), None)
        market = None if play is None else _price(prices, play[0])
        if play is None or before is None or market is None or play[1] > 4:
            continue
        lead = (play[4] - play[3]) * (1 if is_home else -1)
        said = {
            "score and clock": win_probability(lead, _left(play) or 0.0, before),
            "espn": play[5] if is_home else 1 - play[5],
            "market": market,
        }
        for name, p in said.items():
            given = max(SMALLEST, p if won else 1 - p)
            yield GameScore(name, about["espn_id"], minutes, brier_binary(p, won), -log(given))


def _left(play: Sequence[Any]) -> float | None:
    return seconds_left(int(play[1]), str(play[2]))


def _price(prices: Sequence[tuple[float, float]], at: float) -> float | None:
    """The middle of the last minute that was over by then."""
    found = bisect_right(prices, (at, 2.0))
    return prices[found - 1][1] if found else None


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)
