"""Basketball games replayed: win probability from score and clock against the market and ESPN's own model. Pure.

The model is that of the live source (``triage.sources.scoreclock``), once with the market's price before the game as strength and once
with nothing but playing at home; nothing is fitted to the games that are scored. Read from ``sports/*_games.jsonl.gz``: plays with their
time, minute prices of one leg, the result.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any, Final

from markets.tape.imports.source import Aside
from triage.evidence import files
from triage.scoring.scoring import SMALLEST, brier_binary
from triage.sources.scoreclock import CODES, HOME, seconds_left, strength_of, win_probability

CHECKPOINTS: Final = (36, 24, 12, 6, 2)
"""Minutes left at which a game is scored."""


@dataclass(frozen=True, slots=True)
class GameScore:
    """One forecaster (score and clock, ESPN, market) at one checkpoint of one game: of the recorded leg."""

    name: str
    game: str
    minutes: int
    brier: float
    log_score: float


def run(roots: Iterable[Path]) -> list[GameScore]:
    """Scores of every game of these folders that has a result and a price before it began."""
    found: list[GameScore] = []
    aside = Aside()
    for game in files.objects(roots, "**/*_games.jsonl.gz", aside):
        with aside.unreadable():
            if game["result"] in ("yes", "no"):
                found += list(_game(game))
    aside.warn("recorded games")
    return found


def _game(game: Mapping[str, Any]) -> Iterator[GameScore]:
    about, plays = game["game"], sorted(game["plays"])
    prices = [(row[0], (row[1] + row[2]) / 2) for row in sorted(game["candles"])]
    if not plays or not prices:
        return
    is_home = leg_is_home(about)
    if is_home is None:
        return
    before, won = _price(prices, plays[0][0]), game["result"] == "yes"
    for minutes in CHECKPOINTS:
        play = next((p for p in plays if _left(p) is not None and (_left(p) or 0.0) <= minutes * 60), None)
        market = None if play is None else _price(prices, play[0])
        if play is None or before is None or market is None or play[1] > 4:
            continue
        lead = (play[4] - play[3]) * (1 if is_home else -1)
        said = {
            "score and clock": win_probability(lead, _left(play) or 0.0, strength_of(before)),
            "score, clock, home": win_probability(lead, _left(play) or 0.0, HOME if is_home else -HOME),
            "espn": play[5] if is_home else 1 - play[5],
            "market": market,
        }
        for name, p in said.items():
            given = max(SMALLEST, p if won else 1 - p)
            yield GameScore(name, about["espn_id"], minutes, brier_binary(p, won), -log(given))


def leg_is_home(game: Mapping[str, Any]) -> bool | None:
    """Whether the recorded leg is the home side; None where its code is neither side's.

    >>> leg_is_home({"ticker": "KXNBAGAME-26APR07SACGSW-GSW", "home": "GS", "away": "SAC"})
    True
    """
    leg = game["ticker"].rpartition("-")[2]
    home, away = (CODES.get(game[side], game[side]) for side in ("home", "away"))
    return {home: True, away: False}.get(leg)


def _left(play: Sequence[Any]) -> float | None:
    return seconds_left(int(play[1]), str(play[2]))


def _price(prices: Sequence[tuple[float, float]], at: float) -> float | None:
    """The middle of the last minute that was over by then."""
    found = bisect_right(prices, (at, 2.0))
    return prices[found - 1][1] if found else None
