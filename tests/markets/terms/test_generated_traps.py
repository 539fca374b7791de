"""Five thousand events put together from clauses, each with its truth: no certificate promises more than one of its settlements pays.

condition x deadline x source x precision x no data x tie x void, in several wordings, some of the exchange's and some of nobody's. A clause
carries what it lets happen; a reader who skips a clause promises too much and is caught.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

from markets.terms.exhaustiveness import Certificate, certify
from markets.terms.facts import EventFacts
from tests.markets.terms.test_traps import assert_no_false_promise
from tests.markets.terms.wording import event, named, strike, worded

EVENTS = 5_000


@dataclass(frozen=True)
class Clause:
    """Words and what they let happen: ``all`` the same value for every market; ``lone``: any one market by itself resolves No."""

    text: str
    all: tuple[float, ...] = ()
    lone: bool = False
    two_win: bool = False


SAME = Clause("")
NO_DATA = (
    SAME,
    Clause("If no data is available, all markets will resolve to No.", (0.0,)),
    Clause("If no report is published, all of the markets resolve to No.", (0.0,)),
    Clause("If no data is available, affected strikes resolve to No.", (0.0,), lone=True),
    Clause("Where the bureau stays silent every strike lapses.", (0.0,)),
    Clause("In the absence of a bulletin, positions are extinguished at nothing.", (0.0,)),
    Clause("A missing reading leaves each contract without value.", (0.0,)),
    Clause("Should figures be withheld, holders of the affirmative side receive no payment.", (0.0,)),
)
VOID = (
    SAME,
    Clause(
        "If the game is cancelled, the market will resolve to a fair price in accordance with the rules.",
        (0.0, 1.0, 0.3),
    ),
    Clause(
        "If the game is cancelled or rescheduled to over two weeks away, the market will resolve to a fair price in accordance with "
        "the rules.",
        (0.0, 1.0, 0.3),
    ),
    Clause("An abandoned contest unwinds at the closing mark.", (0.0, 1.0, 0.4)),
    Clause("Kalshi may, as it sees fit, set the value of every leg.", (0.0, 1.0, 0.5)),
    Clause("If the event is cancelled, all markets will settle at their last trade price.", (0.0, 1.0, 0.2)),
)
TIES = (
    SAME,
    Clause("If the game ends in a tie, the markets will resolve to 50/50.", (0.5,)),
    Clause("Dead heats are honoured in full on every name concerned.", two_win=True),
    Clause("If two or more candidates tie, each of the tied candidates will resolve to Yes.", two_win=True),
    Clause("Level scores halve the pot between all that are listed.", (0.5,)),
)
HARMLESS = (
    "Not all weather data is the same.",
    "Traders should exercise caution when interpreting preliminary NWS data.",
    "Otherwise, the market resolves to No.",
    "This market is mutually exclusive.",
)
DEADLINES = ("", " by noon", " no later than May 1", " in the first edition of the day")
CONDITIONS = ("", " and the sky is clear", " provided that the station is staffed", ", rounded down,")
SOURCES = (
    ("National Weather Service's Climatological Report (Daily)", True),
    ("NWS's Daily Climate Report", True),
    ("Weather Company's almanac", False),
    ("airport's own sensor to two decimals", False),
)


def joined(dice: random.Random, clauses: list[Clause]) -> str:
    sentences = [c.text for c in clauses if c.text] + dice.sample(HARMLESS, dice.randint(1, 3))
    dice.shuffle(sentences)
    return " ".join(sentences)


def truth_of(clauses: list[Clause], outcomes: int, nobody: bool, dice: random.Random) -> list[list[float]]:
    """Settlements that may happen: each winner, and what the clauses add."""
    rows = [[float(i == j) for j in range(outcomes)] for i in range(outcomes)]
    if nobody or any(c.lone for c in clauses):
        rows.append([0.0] * outcomes)
    for clause in clauses:
        rows += [[value] * outcomes for value in clause.all]
        if clause.two_win:
            pair = dice.sample(range(outcomes), 2)
            rows.append([float(i in pair) for i in range(outcomes)])
    return rows


def weather(dice: random.Random) -> tuple[EventFacts, list[list[float]]]:
    """A ladder of whole or broken degrees, by a source that prints integers or not, perhaps with a hole or a leg of another place."""
    series, base, legs = "KXHIGHNY", dice.randint(-20, 95), dice.randint(1, 5)
    source, whole = dice.choice(SOURCES)
    deadline, condition = dice.choice(DEADLINES), dice.choice(CONDITIONS)
    if dice.random() < 0.7:
        deadline = condition = ""
    step = Decimal(dice.choice(["1", "1", "1", "0.1"]))
    edges = [base + 2 * i for i in range(legs + 1)]
    markets = [strike(series, "less", cap=edges[0])]
    markets += [strike(series, "between", low, str(high - step)) for low, high in pairwise(edges)]
    markets.append(strike(series, "greater", floor=str(edges[-1] - step)))
    hole = dice.random() < 0.1
    if hole and len(markets) > 3:
        del markets[dice.randrange(1, len(markets) - 1)]
    else:
        hole = False
    rule = (
        f"If the highest temperature recorded in Central Park, New York for July 16, 2026 as reported by the {source}, is {{}}"
        f"{condition}{deadline}, then the market resolves to Yes."
    )
    clauses = [dice.choice(NO_DATA), dice.choice(VOID) if dice.random() < 0.3 else SAME]
    facts = event(series, *worded(markets, rule, joined(dice, clauses), "°"))
    nobody = hole or not whole or step != 1 or bool(deadline) or bool(condition)
    if dice.random() < 0.05:
        at = dice.randrange(len(markets))
        moved = facts.markets[at].rules_primary.replace("Central Park, New York", "Newark")
        facts = replace(
            facts, markets=tuple(replace(m, rules_primary=moved) if i == at else m for i, m in enumerate(facts.markets))
        )
        nobody = True
    return facts, truth_of(clauses, len(markets), nobody, dice)


def game(dice: random.Random) -> tuple[EventFacts, list[list[float]]]:
    """Two sides with or without a market for the tie; a manner of winning, a part of the game, or a second game may slip in."""
    with_tie = dice.random() < 0.6
    tail = (
        " professional MLS soccer game originally scheduled for Jul 9, 2026 after 90 minutes plus stoppage time "
        "(does not include extra time or penalties)"
        if with_tie
        else " professional baseball game originally scheduled for Jul 9, 2026"
    )
    manner = dice.choice(["", "", "", " on points", " by three goals", " with a clean sheet"])
    names = ["Herons", "Otters"]
    rules = {n: f"If {n} wins{manner} the Herons vs Otters{tail}, then the market resolves to Yes." for n in names}
    if with_tie:
        rules["Tie"] = f"If Tie is the result of the Herons vs Otters{tail}, then the market resolves to Yes."
    second = dice.random() < 0.1
    if second:
        rules["Otters"] = rules["Otters"].replace("Jul 9", "Jul 16")
    clauses = [dice.choice(VOID), dice.choice(TIES[1:] if not with_tie else (SAME, *TIES[2:4]))]
    facts = named("KXGAMES", rules, joined(dice, clauses))
    return facts, truth_of(clauses, len(rules), bool(manner) or second or not with_tie, dice)


def nominees(dice: random.Random) -> tuple[EventFacts, list[list[float]]]:
    """Names on a list that may not be complete, nested, or both right."""
    names = dice.sample(
        ["Abel", "Brandt", "Cole", "Cole Jr", "Dunne", "Another person", "Other", "Nobody"], dice.randint(2, 5)
    )
    verb = dice.choice(
        ["is elected", "wins the seat", "leads on the first count", "is still in office on or prior to May 1"]
    )
    rules = {n: f"If {n} {verb}, then the market resolves to Yes." for n in names}
    clauses = [dice.choice(TIES), dice.choice(NO_DATA)]
    return named("KXNAMES", rules, joined(dice, clauses)), truth_of(clauses, len(names), True, dice)


def test_no_certificate_of_five_thousand_generated_events_promises_too_much() -> None:
    dice = random.Random(20_260_727)
    counted: Counter[str] = Counter()
    for _ in range(EVENTS):
        facts, truth = dice.choice([weather, weather, game, nominees])(dice)
        found = certify(facts)
        if isinstance(found, Certificate):
            counted["certified"] += 1
            counted["sure of a winner"] += found.one_must_win
            assert_no_false_promise(facts, truth, found, dice)
        else:
            counted[found.code] += 1
    assert counted["certified"] > EVENTS / 10, counted  # the gate is not shut
    assert counted["sure of a winner"] > EVENTS / 40, counted
    assert counted["sentence_unread"] > EVENTS / 10, counted
