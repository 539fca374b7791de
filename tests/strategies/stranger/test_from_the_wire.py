"""What a stranger who only sends events can make the product promise: nothing that an event's texts or fields do not hold.

Every event starts sound and is changed in one place. It is refused, or nothing that is bought on it is promised more than it pays in any of
the worlds that the change allows.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, Final

from kalbot.common.units import Count
from markets.book import Side
from markets.terms.grades import Grade
from markets.terms.states import StateList, floor
from tests.strategies.stranger import changes, harmless, sentences
from tests.strategies.stranger.wire_events import BASES, Base, Judged, World, judged, pays

Change = Callable[[dict[str, Any]], None]
SENT: Final = (*sentences.ALL,)


def check(base: Base, worlds: tuple[World, ...], name: str) -> Judged:
    """Neither the state list nor a basket promises more than the worst of ``worlds`` pays."""
    found = judged(base)
    tickers = [one["ticker"] for one in base.wire["markets"]]
    for world in (dict(zip(tickers, row, strict=True)) for row in worlds):
        if found.certificate is not None and found.certificate.grade is not Grade.CONDITIONAL:
            _check_states(found.certificate.states, world, name)
        for basket, grade in found.baskets:
            if grade is not Grade.CONDITIONAL:
                legs = [(leg.ticker, leg.side, leg.count) for leg in basket.legs]
                assert pays(legs, world) * 1_000_000 >= basket.cost, (name, grade, world)
    return found


def _check_states(states: StateList, world: dict[str, float], name: str) -> None:
    rng = random.Random(name)
    tickers = list(world)
    holdings = [[(t, side, Count(100)) for t in tickers] for side in Side]
    holdings += [[(t, rng.choice(list(Side)), Count(rng.randint(0, 300))) for t in tickers] for _ in range(4)]
    for legs in holdings:
        assert floor(legs, states) <= pays(legs, world) * 1_000_000 + 1, (name, world, states.states)


def _in_all(field: str, sentence: str) -> Change:
    def change(wire: dict[str, Any]) -> None:
        for one in wire["markets"]:
            one[field] = f"{one.get(field) or ''} {sentence}".strip()

    return change


def _in_first(field: str, sentence: str) -> Change:
    def change(wire: dict[str, Any]) -> None:
        one = wire["markets"][0]
        one[field] = f"{one.get(field) or ''} {sentence}".strip()

    return change


def _in_event(field: str, sentence: str) -> Change:
    def change(wire: dict[str, Any]) -> None:
        wire[field] = f"{wire.get(field) or ''} {sentence}".strip()

    return change


def _custom(sentence: str) -> Change:
    def change(wire: dict[str, Any]) -> None:
        for one in wire["markets"]:
            one["custom_strike"] = {**(one.get("custom_strike") or {}), "note": sentence}

    return change


def _metadata(sentence: str) -> Change:
    def change(wire: dict[str, Any]) -> None:
        wire["product_metadata"] = {**(wire.get("product_metadata") or {}), "settlement_note": sentence}

    return change


def _sourced(sentence: str) -> Change:
    def change(wire: dict[str, Any]) -> None:
        listed = wire.setdefault("settlement_sources", [])
        listed.append({"name": sentence, "url": "https://news.example/"})

    return change


PLACES: Final[dict[str, Callable[[str], Change]]] = {
    "secondary of all": lambda s: _in_all("rules_secondary", s),
    "secondary of one": lambda s: _in_first("rules_secondary", s),
    "primary of all": lambda s: _in_all("rules_primary", s),
    "name of one": lambda s: _in_first("yes_sub_title", s),
    "no name": lambda s: _in_all("no_sub_title", s),
    "market title": lambda s: _in_all("title", s),
    "early close": lambda s: _in_all("early_close_condition", s),
    "functional strike": lambda s: _in_all("functional_strike", s),
    "event title": lambda s: _in_event("title", s),
    "event sub-title": lambda s: _in_event("sub_title", s),
    "custom strike": _custom,
    "metadata": _metadata,
    "source": _sourced,
}


def _texts() -> Iterator[tuple[str, str, str]]:
    """Every sentence in the secondary rules of every base; every place of every base with a few sentences of each kind."""
    for number, sentence in enumerate(SENT):
        for base in BASES:
            yield base, "secondary of all", sentence
        for shift, place in enumerate(tuple(PLACES)[number % 3 :: 3]):
            yield tuple(BASES)[(number + shift) % len(BASES)], place, sentence


def test_no_sentence_in_any_field_is_passed_over() -> None:
    passed = []
    for base, place, sentence in _texts():
        sound = BASES[base]()
        outcomes = len(sound.wire["markets"])
        try:
            check(
                sound.changed(PLACES[place](sentence)),
                sentences.worlds(sentence, outcomes),
                f"{base}, {place}: {sentence}",
            )
        except AssertionError as failed:
            passed.append(str(failed.args[0])[:160])
    assert not passed, "\n".join([f"{len(passed)}", *passed])


def test_no_field_that_changes_the_settlement_is_passed_over() -> None:
    passed = []
    for base, name, change, worlds in changes.cases():
        try:
            check(BASES[base]().changed(change), worlds, f"{base}: {name}")
        except AssertionError as failed:
            passed.append(str(failed.args[0])[:100])
    assert not passed, "\n".join([f"{len(passed)}", *passed])


def test_a_sound_event_is_kept_in_other_words_and_with_labels_that_say_the_same() -> None:
    lost, kept = [], {base: judged(build()) for base, build in BASES.items()}
    for base, name, change in harmless.cases():
        sound, other = kept[base], judged(BASES[base]().changed(change))
        assert sound.certificate is not None
        if (
            other.certificate is None
            or not other.certificate.grade.meets(sound.certificate.grade)
            or len(other.baskets) != len(sound.baskets)
        ):
            lost.append(
                f"{base}, {name}: {other.why or other.certificate} {getattr(other.found, 'sentence', '')}"[:180]
            )
    assert not lost, "\n".join([f"{len(lost)}", *lost])
