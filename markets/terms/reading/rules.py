"""All rules texts of an event, read: what each outcome's condition is, and what everything else means. Or why it was not read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markets.terms.facts import EventFacts, MarketFacts
from markets.terms.reading.meanings import Meaning
from markets.terms.reading.secondary import Topic, read_sentence
from markets.terms.reading.text import THEN_YES, days_of, one_spelling, plain, sentences, yes_of


class NotRead(Exception):
    """The rules were not read, or contradict themselves. ``code`` for statistics; the message is the reason for a person."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(slots=True)
class Texts:
    """The texts of an event: ``heads`` the condition of each market as one sentence, ``common`` the secondary rules that all have,
    with the condition of an early close."""

    heads: tuple[str, ...]
    tails: tuple[str, ...]
    common: str
    meanings: dict[Meaning, str] = field(default_factory=dict)

    @property
    def days(self) -> set[str]:
        """Every day that a condition names, in one spelling (``text.same_day``)."""
        return set().union(*map(days_of, self.heads))

    def read_others(self, introductions: Iterable[str] = (), *, topic: Topic) -> None:
        """Read every sentence but the conditions into ``meanings``. Raises NotRead with the first that was not read, or that says how
        events of another topic are determined."""
        secondary = self.common
        for opening in introductions:
            secondary = re.sub(rf"(?:\A|(?<=[.!?] )){re.escape(opening)}", "", secondary).strip()
        for sentence in dict.fromkeys([*(s for tail in self.tails for s in sentences(tail)), *sentences(secondary)]):
            found = read_sentence(sentence, topic)
            if found is None:
                raise NotRead("sentence_unread", f"This sentence of the rules was not read: {sentence}")
            for meaning in found:
                self.meanings.setdefault(meaning, sentence)


def texts_of(event: EventFacts) -> Texts:
    """The texts of an event, taken apart. Raises NotRead where one is missing or the outcomes' secondary rules differ."""
    pairs = [_halves(market) for market in event.markets]
    secondary = [_dated(market, market.rules_secondary) for market in event.markets]
    early = [_dated(market, market.early_close_condition) for market in event.markets]
    if any(len({tuple(sorted(sentences(text))) for text in texts}) > 1 for texts in (secondary, early)):
        raise NotRead("rules_differ", "The outcomes do not have the same secondary rules.")
    if len({tail for _, tail in pairs}) > 1:
        raise NotRead("rules_differ", "What follows the condition is not the same in all outcomes.")
    if not secondary[0]:
        raise NotRead("rules_missing", "The event has no secondary rules: what they leave out is not known.")
    return Texts(
        tuple(head for head, _ in pairs), tuple(tail for _, tail in pairs), f"{secondary[0]} {early[0]}".strip()
    )


def _halves(market: MarketFacts) -> tuple[str, str]:
    primary = _dated(market, market.rules_primary)
    if not primary:
        raise NotRead("rules_missing", f"{market.ticker} has no rules text.")
    found = yes_of(primary)
    if found is None:
        raise NotRead("rules_unread", f"The rules of {market.ticker} are in no form that is read: {primary}")
    return primary[: found.start()] + THEN_YES, primary[found.end() :].strip()


def _dated(market: MarketFacts, text: str) -> str:
    try:
        return one_spelling(plain(text))
    except ValueError:
        raise NotRead("rules_unread", f"The rules of {market.ticker} name a day that no calendar has.") from None


def one_rest(rests: Sequence[str]) -> None:
    """Raises NotRead unless what the outcomes' rules leave without their strike or name is the same in all."""
    if len(set(rests)) > 1:
        first, other = list(dict.fromkeys(rests))[:2]
        one, two = _differing(first, other)
        raise NotRead(
            "rules_differ",
            f'The outcomes\' rules differ in more than their strikes, "{one}" and "{two}": {first} Another: {other}',
        )


def _differing(first: str, other: str) -> tuple[str, str]:
    """The words of two texts between what they begin and what they end with alike."""
    one, two = first.split(), other.split()
    while one and two and one[0] == two[0]:
        one, two = one[1:], two[1:]
    while one and two and one[-1] == two[-1]:
        one, two = one[:-1], two[:-1]
    return " ".join(one), " ".join(two)
