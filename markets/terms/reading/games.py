"""Games of two sides: "If A wins the A vs B professional AFL game originally scheduled for ..., then the market resolves to Yes."

The sides, the contest and the schedule are slots of closed lists; a margin, a manner of winning, a part of the game is on none of
them. The game must be the same, to the letter, in every outcome.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markets.terms.facts import MarketFacts
from markets.terms.reading.text import DATE, THEN_YES, TIME, plain

TIE: Final = re.compile(r"(?:the )?(?:tie|draw)", re.IGNORECASE)
_YES: Final = re.escape(THEN_YES)
_REGULATION_PREFIX: Final = re.compile(r"^reg(?:ulation)? time:\s*", re.IGNORECASE | re.ASCII)
_SMALL: Final = re.compile("al?|and|at|d[aeiou]|del|der|dos|el?|en|i|la|le|o[fg]|och|s|the|und|van|von|y")
_SIDE_WORD: Final = re.compile(r"(?:\d{1,4}|\d*[^\W\d_][\w.'´’&/-]*|&|\([A-Z][\w. ]*\)|\"[A-Z]\w*\")")
_SOCCER: Final = (
    "Allsvenskan|Brasileiro Serie [ABC]|Chinese Super League|Conference League|Ecuador LigaPro|Eliteserien"
    "|Europa League(?: Qualifying)?|Champions League(?: Qualifying)?|FIFA World Cup|Korea K League [12]|Liga MX|MLS|NWSL"
    "|USL Championship|USL Cup|Uruguay Primera Division|English Premier League|La Liga|Serie A|Bundesliga|Ligue 1"
)
_TWO_WAY: Final = (
    "BIG3 basketball game|Japan NPB game|Korea KBO game|Mexico LMB game|Premier Lacrosse League game|college football game"
    "|professional AFL game|professional (?:BSN Puerto Rico|New Zealand NBL|Vietnam VBA) basketball game"
    "|professional CFL football game|professional baseball game|professional football game|game|match"
)
_SCHEDULE: Final = rf"(?: originally scheduled for {DATE}(?: at {TIME})?)?"
_NINETY: Final = r" after 90 minutes plus stoppage time \(does not include extra time or penalties\)"
_WITH_TIE: Final = re.compile(rf" professional (?:{_SOCCER}) soccer game{_SCHEDULE}{_NINETY}")
_WITHOUT_TIE: Final = re.compile(rf"(?: (?:{_TWO_WAY}))?{_SCHEDULE}")
_REGULATION: Final = re.compile(rf"{_SCHEDULE} in regulation time")


@dataclass(frozen=True, slots=True)
class Game:
    """A game that was read. ``text``: as every outcome's rule calls it. ``with_tie``: a market for the tie is listed."""

    sides: tuple[str, str]
    text: str
    with_tie: bool


def side_name(market: MarketFacts) -> str:
    """The side that an outcome stands for, or "Tie"."""
    return _REGULATION_PREFIX.sub("", market.yes_sub_title.strip())


def read_game(markets: Sequence[MarketFacts], heads: Sequence[str]) -> Game | None:
    """The game whose winner (or tie) the outcomes are, or None. ``heads``: the primary rule of each outcome, one plain sentence."""
    regulation = any(_REGULATION_PREFIX.match(market.yes_sub_title.strip()) for market in markets)
    names = [plain(side_name(market)) for market in markets]
    sides = [name for name in names if not TIE.fullmatch(name)]
    if len(sides) != 2 or sides[0].lower() == sides[1].lower() or len(names) - len(sides) > 1:
        return None
    if not all(map(is_side, sides)):
        return None
    texts = {_game_of(name, head) for name, head in zip(names, heads, strict=True)}
    text = texts.pop()
    if texts or not text:
        return None
    with_tie = len(names) == 3
    if regulation and not with_tie:  # level after regulation time, and a name that ends there
        return None
    if not any(_is_game(text, one, other, with_tie) for one, other in (sides, reversed(sides))):
        return None
    return Game((sides[0], sides[1]), text, with_tie)


def _game_of(name: str, head: str) -> str:
    """What an outcome's rule calls the game; "" if the rule is not "this side wins it" or "it is a tie"."""
    if TIE.fullmatch(name):
        found = re.fullmatch(rf"If {re.escape(name)} is the result of (?:the )?(?P<game>.+){_YES}", head)
        if found is None and (
            found := re.fullmatch(rf"If (?P<game>.+) ends in a tie after regulation time{_YES}", head)
        ):
            return f"{found['game']} in regulation time"
    else:
        found = re.fullmatch(rf"If (?:the )?{re.escape(name)} wins? (?:the )?(?P<game>.+){_YES}", head)
    return found["game"] if found else ""


def is_side(name: str) -> bool:
    """Whether a name is one of a side, without a manner or margin of winning: capitalised words and numbers, small words between."""
    return all(
        _SMALL.fullmatch(word) is not None or (_SIDE_WORD.fullmatch(word) is not None and not word[0].islower())
        for word in name.split(" ")
    )


def _is_game(text: str, one: str, other: str, with_tie: bool) -> bool:
    head = re.match(rf"{re.escape(one)} (?:vs\.?|v\.?|at|@) {re.escape(other)}(?= |\Z)", text)
    if head is None:
        return False
    tail = text[head.end() :]
    forms = (_WITH_TIE, _REGULATION) if with_tie else (_WITHOUT_TIE,)
    return any(form.fullmatch(tail) for form in forms)


def introductions(game: Game) -> tuple[str, ...]:
    """Sentences that only name the game; they may begin the secondary rules."""
    return tuple(
        f"The following market refers to {who}{the}{game.text}."
        for who in ("the team who wins ", "")
        for the in ("the ", "")
    )
