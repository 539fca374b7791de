"""Families of registered forms: date ladders, and winner and spreads of one game. Every pair that is none names why."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from markets.book import Side
from markets.terms.atoms import Atoms
from markets.terms.facts import EventFacts, MarketFacts
from markets.terms.families import FamilyCertificate, FamilyRefusal, Member, certify_family
from markets.terms.grades import Grade
from markets.terms.reading.forms import FormError, Measure, form_of, read_form
from markets.terms.registry.entry import NoDataRule, RegisteredTerms

THEN = ", then the market resolves to Yes."
NOTE = "If no data is available, affected strikes resolve to No."
LEAVES = f"If Alice Moore leaves office before {{before}}{THEN}"
GAME = "{one} vs {two} professional football game originally scheduled for {day}"
WINS = f"If {{side}} wins the {GAME}{THEN}"
SPREAD = f"If {{side}} wins the {GAME} by {{strike}} points{THEN}"
TIE = f"If the {GAME} ends in a tie{THEN}"
TOTAL = (
    f"If {{one}} and {{two}} score {{strike}} points in their professional football game scheduled for {{day}}{THEN}"
)
DATES = TERMS = RegisteredTerms(
    url="https://example.test/LEAVE.pdf",
    sha256="a" * 64,
    approved=True,
    no_data=NoDataRule.ALL_NO,
    fingerprint="LEAVE v1",
    common_determination="One day of leaving settles every market.",
    forms=(LEAVES,),
)
GAMES = replace(TERMS, forms=(WINS, SPREAD, TIE, TOTAL), no_data=NoDataRule.ALL_NO)
CLOSES = 1_786_000_000_000


def dated(*days: str, ticker: str = "KXLEAVE-A", rule: str = LEAVES) -> EventFacts:
    markets = tuple(
        MarketFacts(
            f"{ticker}-{number}",
            strike_type="custom",
            yes_sub_title=f"Before {day}",
            rules_primary=rule.replace("{before}", day),
            rules_secondary="Trading involves risk.",
            ends=f"{number}",
        )
        for number, day in enumerate(days)
    )
    return EventFacts(ticker, "KXLEAVE", False, "", markets)


def game(
    ticker: str, *rows: tuple[str, str, str | None], day: str = "Nov 29, 2026", exclusive: bool = False
) -> EventFacts:
    """Rows: (form, side, floor strike)."""
    markets = []
    for number, (form, side, floor) in enumerate(rows):
        said = {"one": "Alpha", "two": "Beta", "side": side, "day": day, "strike": f"more than {floor}"}
        rule = form
        for slot, word in said.items():
            rule = rule.replace("{" + slot + "}", word)
        by = (
            ""
            if floor is None
            else f" wins by more than {floor} points"
            if form == SPREAD
            else f" more than {floor} points"
        )
        markets.append(
            MarketFacts(
                f"{ticker}-{number}",
                strike_type="structured" if floor is None else "greater",
                floor_strike=None if floor is None else Decimal(floor),
                yes_sub_title=f"{side}{by}".strip() if side else by.strip() or "Tie",
                rules_primary=rule,
                rules_secondary="Trading involves risk.",
            )
        )
    return EventFacts(ticker, ticker.partition("-")[0], exclusive, "", tuple(markets))


def member(facts: EventFacts, terms: RegisteredTerms = DATES, **columns: int) -> Member:
    return replace(Member(facts, terms, 0, CLOSES, CLOSES), **columns)  # type: ignore[arg-type]  # columns of the member, by name


WINNER = game("KXGAME-A", (WINS, "Alpha", None), (WINS, "Beta", None), exclusive=True)
SPREADS = game("KXSPREAD-A", (SPREAD, "Alpha", "3.5"), (SPREAD, "Alpha", "10.5"), (SPREAD, "Beta", "3.5"))


def certified(*members: Member) -> FamilyCertificate:
    found = certify_family(members)
    assert isinstance(found, FamilyCertificate), found
    return found


def test_an_earlier_date_implies_every_later_one() -> None:
    found = certified(member(dated("Jan 1, 2027", "December 1, 2026", "2027-07-01")))
    atoms = found.atoms
    assert (found.grade, len(atoms)) == (Grade.GUARANTEED, 4)
    assert [atoms.words(n) for n in range(4)] == [
        "x < Dec 1, 2026",
        "Dec 1, 2026 <= x < Jan 1, 2027",
        "Jan 1, 2027 <= x < Jul 1, 2027",
        "Jul 1, 2027 <= x",
    ]
    later_yes_earlier_no = [("KXLEAVE-A-0", Side.YES, 100), ("KXLEAVE-A-1", Side.NO, 100)]
    assert atoms.floor(later_yes_earlier_no) == 1_000_000
    assert atoms.floor([("KXLEAVE-A-0", Side.NO, 100), ("KXLEAVE-A-1", Side.YES, 100)]) == 0


def test_dates_of_two_events_close_each_at_its_own_time_and_a_day_that_passed_is_left_out() -> None:
    early, late = dated("Dec 1, 2026", ticker="KXLEAVE-A"), dated("Jan 1, 2027", "Feb 1, 2027", ticker="KXLEAVE-B")
    found = certified(member(early), member(late, closes_ms=CLOSES + 10**9, expires_ms=CLOSES + 10**9))
    assert len(found.intervals) == 3
    over = replace(late, markets=(replace(late.markets[0], status="finalized", result="no"), late.markets[1]))
    assert len(certified(member(early), member(over)).intervals) == 2
    none = replace(early, markets=(replace(early.markets[0], status="closed"),))
    refused = certify_family([member(none), member(late)])
    assert isinstance(refused, FamilyRefusal)
    assert refused.code == "leg_not_active"


def test_by_a_day_and_before_the_next_are_not_mixed_up() -> None:
    by = f"If Alice Moore leaves office on or before {{by}}{THEN}"
    terms = replace(DATES, forms=(by,))
    facts = dated("Jan 1, 2027", "Feb 1, 2027", rule=by.replace("{by}", "{before}"))
    facts = replace(facts, markets=tuple(replace(m, yes_sub_title="") for m in facts.markets))
    found = certified(member(facts, terms))
    assert found.atoms.words(0) == "x <= Jan 1, 2027"
    other = certify_family(
        [
            member(facts, replace(DATES, forms=(by, LEAVES))),
            member(dated("Mar 1, 2027", ticker="KXLEAVE-B"), replace(DATES, forms=(by, LEAVES))),
        ]
    )
    assert isinstance(other, FamilyRefusal)
    assert other.code == "rules_differ"


def test_winner_spread_and_tie_of_a_game_are_margins_of_its_first_side() -> None:
    found = certified(member(WINNER, GAMES), member(SPREADS, GAMES))
    atoms = found.atoms
    pays = {margin: {t for t, i in found.intervals.items() if _takes(i, Decimal(margin))} for margin in range(-20, 21)}
    for margin, paying in pays.items():
        expected = {
            "KXGAME-A-0": margin > 0,
            "KXGAME-A-1": margin < 0,
            "KXSPREAD-A-0": margin > 3.5,
            "KXSPREAD-A-1": margin > 10.5,
            "KXSPREAD-A-2": margin < -3.5,
        }
        assert paying == {ticker for ticker, yes in expected.items() if yes}
    assert atoms.floor([("KXGAME-A-0", Side.YES, 100), ("KXSPREAD-A-0", Side.NO, 100)]) == 1_000_000
    assert atoms.floor([("KXGAME-A-0", Side.YES, 100), ("KXGAME-A-1", Side.YES, 100)]) == 0, "a tie"
    with_tie = game("KXGAME-A", (WINS, "Alpha", None), (WINS, "Beta", None), (TIE, "", None), exclusive=True)
    tie = certified(member(with_tie, GAMES), member(SPREADS, GAMES)).atoms
    assert tie.floor([(f"KXGAME-A-{n}", Side.YES, 100) for n in range(3)]) == 0, "no data: every market No"


def _takes(interval: object, value: Decimal) -> bool:
    low, high = interval.low, interval.high  # type: ignore[attr-defined]  # an Interval
    above = low is None or value > low or (value == low and interval.low_in)  # type: ignore[attr-defined]
    return above and (high is None or value < high or (value == high and interval.high_in))  # type: ignore[attr-defined]


def test_the_floor_is_the_least_over_every_margin() -> None:
    """Brute force: every margin from -60 to 60, five hundred baskets of up to four legs."""
    found, pick = certified(member(WINNER, GAMES), member(SPREADS, GAMES)), random.Random(5)
    tickers = sorted(found.intervals)
    for _ in range(500):
        legs = [
            (t, pick.choice(list(Side)), 100 * pick.randrange(1, 4)) for t in pick.sample(tickers, pick.randrange(1, 5))
        ]
        least = min(
            sum(10_000 * n for t, side, n in legs if _takes(found.intervals[t], Decimal(m)) is (side is Side.YES))
            for m in range(-60, 61)
        )
        nobody = sum(10_000 * n for _, side, n in legs if side is Side.NO)
        assert found.atoms.floor(legs) <= min(least, nobody)


def test_points_of_both_are_a_ladder_of_their_own() -> None:
    totals = game("KXTOTAL-A", (TOTAL, "", "40.5"), (TOTAL, "", "45.5"))
    assert len(certified(member(totals, GAMES)).atoms) == 3
    refused = certify_family([member(totals, GAMES), member(SPREADS, GAMES)])
    assert isinstance(refused, FamilyRefusal)
    assert refused.code == "rules_differ"


def test_percent_and_points_are_two_values() -> None:
    rule = f"If the index of prices rises by {{strike}} in its next report{THEN}"
    terms = replace(TERMS, forms=(rule,))

    def rises(*strikes: str) -> EventFacts:
        markets = (
            MarketFacts(
                f"KXRISE-A-{n}",
                strike_type="greater",
                floor_strike=Decimal(strike.strip("%")),
                rules_primary=rule.replace("{strike}", f"more than {strike}"),
                rules_secondary="Trading involves risk.",
            )
            for n, strike in enumerate(strikes)
        )
        return EventFacts("KXRISE-A", "KXRISE", False, "", tuple(markets))

    for one_unit in (("0.2%", "0.3%"), ("-0.2", "0.3")):
        assert len(certified(member(rises(*one_unit), terms)).atoms) == 3
    refused = certify_family([member(rises("0.2%", "0.3"), terms)])
    assert isinstance(refused, FamilyRefusal)
    assert refused.code == "rules_differ"


def changed(facts: EventFacts, index: int = 0, **columns: object) -> EventFacts:
    markets = list(facts.markets)
    markets[index] = replace(markets[index], **columns)  # type: ignore[arg-type]  # columns of the market, by name
    return replace(facts, markets=tuple(markets))


CANCELLED = "If the game is cancelled, the market will resolve to a fair price."
HALVES = "If the game ends in a tie, the markets will resolve to 50/50."


def noted(facts: EventFacts, note: str) -> EventFacts:
    return replace(facts, markets=tuple(replace(m, rules_secondary=note) for m in facts.markets))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda: [member(WINNER, GAMES), member(noted(SPREADS, CANCELLED), GAMES)], "state_not_covered"),
        (lambda: [member(noted(WINNER, HALVES), GAMES), member(SPREADS, GAMES)], "state_not_covered"),
        (
            lambda: [
                member(WINNER, GAMES),
                member(game("KXSPREAD-A", (SPREAD, "Alpha", "3.5"), day="Nov 30, 2026"), GAMES),
            ],
            "rules_differ",
        ),
        (lambda: [member(WINNER, GAMES), member(SPREADS, replace(GAMES, fingerprint="v2"))], "terms_differ"),
        (lambda: [member(WINNER, GAMES), member(SPREADS, GAMES, expires_ms=CLOSES + 1)], "expiry_differs"),
        (
            lambda: [member(WINNER, replace(GAMES, forms=(SPREAD,))), member(SPREADS, replace(GAMES, forms=(SPREAD,)))],
            "rules_unread",
        ),
        (
            lambda: [member(WINNER, GAMES), member(changed(SPREADS, floor_strike=Decimal("4.5")), GAMES)],
            "rules_disagree",
        ),
        (
            lambda: [member(WINNER, GAMES), member(changed(SPREADS, strike_type="greater_or_equal"), GAMES)],
            "rules_disagree",
        ),
        (lambda: [member(WINNER, GAMES), member(changed(SPREADS, strike_type="less"), GAMES)], "strike_missing"),
        (
            lambda: [
                member(WINNER, GAMES),
                member(changed(SPREADS, yes_sub_title="Beta wins by more than 3.5 points"), GAMES),
            ],
            "duplicate_leg",
        ),
        (
            lambda: [member(WINNER, GAMES), member(changed(SPREADS, yes_sub_title="Gamma by 3.5 points"), GAMES)],
            "rules_disagree",
        ),
        (lambda: [member(WINNER, GAMES), member(replace(SPREADS, mutually_exclusive=True), GAMES)], "overlap"),
        (lambda: [member(changed(WINNER, floor_strike=Decimal(1)), GAMES), member(SPREADS, GAMES)], "rules_disagree"),
        (lambda: [member(changed(WINNER, status="closed"), GAMES), member(SPREADS, GAMES)], "leg_not_active"),
        (
            lambda: [member(changed(dated("Jan 1, 2027", "Feb 1, 2027"), yes_sub_title="Before Jan 2, 2027"))],
            "rules_disagree",
        ),
        (
            lambda: [
                member(
                    changed(
                        dated("Jan 1, 2027", "Feb 1, 2027"),
                        rules_primary=LEAVES.replace("leaves", "enters").replace("{before}", "Jan 1, 2027"),
                    )
                )
            ],
            "rules_unread",
        ),
        (lambda: [member(dated("Jan 1, 2027", "Feb 30, 2027"))], "rules_unread"),
        (
            lambda: [member(dated("Jan 1, 2027", "Feb 1, 2027"), replace(DATES, common_determination=" "))],
            "common_determination",
        ),
        (
            lambda: [member(dated("Jan 1, 2027", "Feb 1, 2027"), replace(DATES, no_data=NoDataRule.LAST_PRICE))],
            "state_not_covered",
        ),
        (
            lambda: [member(dated("Jan 1, 2027")), member(dated("Feb 1, 2027", ticker="KXLEAVE-B"), shard=2)],
            "shard_differs",
        ),
    ],
)
def test_what_stands_against_a_family_is_named(change: Callable[[], list[Member]], code: str) -> None:
    found = certify_family(change())
    assert isinstance(found, FamilyRefusal), found
    assert found.code == code, found
    assert found.sentence.endswith(".")


def test_terms_that_nobody_approved_let_any_market_resolve_no() -> None:
    found = certified(member(dated("Jan 1, 2027", "Feb 1, 2027"), replace(DATES, approved=False)))
    assert (found.grade, found.any_no) == (Grade.IF_DETERMINED, True)
    assert found.atoms.floor([("KXLEAVE-A-1", Side.YES, 100), ("KXLEAVE-A-0", Side.NO, 100)]) == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "If Alice leaves before {before}",
        f"When Alice leaves before {{before}}{THEN}",
        f"If Alice leaves before {{by}}{THEN}",
        f"If Alice leaves after {{before}}{THEN}",
        f"If Alice does not leave before {{before}}{THEN}",
        f"If Alice remains in office before {{before}}{THEN}",
        f"If Alice leaves before {{before}} and by {{by}}{THEN}",
        f"If the value is {{strike}} before {{before}}{THEN}",
        f"If Alice leaves{THEN}",
        f"If {{side}} wins{THEN}",
        f"If {{side}} wins the {{one}} game{THEN}",
        f"If {{one}} wins the {{one}} vs {{two}} game{THEN}",
        f"If {{side}} loses the {{one}} vs {{two}} game{THEN}",
        f"If anybody but {{side}} wins the {{one}} vs {{two}} game{THEN}",
        f"If Alice {{verb}} before {{before}}{THEN}",
    ],
)
def test_a_text_that_is_no_form_is_refused(text: str) -> None:
    with pytest.raises(FormError):
        form_of(text)


def test_a_rule_that_fits_two_forms_or_whose_side_plays_elsewhere_is_not_read() -> None:
    rule = (
        WINS.replace("{side}", "Alpha")
        .replace("{one}", "Alpha")
        .replace("{two}", "Beta")
        .replace("{day}", "Nov 29, 2026")
    )
    found = read_form((WINS,), rule)
    assert found is not None
    assert found.measure is Measure.MARGIN
    assert read_form((WINS, WINS), rule) is None
    assert read_form((WINS,), rule.replace("If Alpha", "If Gamma")) is None
    assert read_form((WINS,), rule.replace("Beta", "Alpha")) is None
    assert read_form((WINS,), rule.replace("Beta", "Beta in overtime")) is None


def test_every_order_of_the_members_is_one_family() -> None:
    members = [member(WINNER, GAMES), member(SPREADS, GAMES)]
    found = [certified(*order) for order in itertools.permutations(members)]
    assert len({tuple(one.atoms.cuts) for one in found}) == 1
    assert Atoms.from_json(found[0].atoms.to_json()) == found[0].atoms
    days = certified(member(dated("Dec 1, 2026", "Jan 1, 2027"))).atoms
    assert Atoms.from_json(days.to_json()) == days
    assert days.about(["KXLEAVE-A-0"]).words(0) == "x < Dec 1, 2026"


WORDS = ("not", "Gamma", "Alpha", "Beta", "first", "more", "less", "after", "by", "5", "2028", "Nov", "half", "or")


@pytest.mark.parametrize("which", ["dates", "game"])
def test_no_word_of_one_rule_can_be_changed_added_or_taken_out(which: str) -> None:
    """Every word of every rule: the family is refused, or each of its markets takes what it took before."""
    facts = [dated("Dec 1, 2026", "Jan 1, 2027")] if which == "dates" else [WINNER, SPREADS]
    terms, pick = (DATES if which == "dates" else GAMES), random.Random(3)
    whole = certified(*(member(one, terms) for one in facts))
    tried = 0
    for number, one in enumerate(facts):
        for index, market in enumerate(one.markets):
            said = market.rules_primary.split()
            for at in range(len(said)):
                new = pick.choice(WORDS)
                for rule in (
                    [*said[:at], new, *said[at + 1 :]],
                    [*said[:at], new, *said[at:]],
                    [*said[:at], *said[at + 1 :]],
                ):
                    other = list(facts)
                    other[number] = changed(one, index, rules_primary=" ".join(rule))
                    found = certify_family([member(event, terms) for event in other])
                    if isinstance(found, FamilyCertificate) and " ".join(rule) != market.rules_primary:
                        assert found.intervals == whole.intervals, " ".join(rule)
                    tried += 1
    assert tried >= 90
