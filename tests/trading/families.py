"""A family of two events on the simulated exchange: ranges and thresholds of one value, with a certificate of its atoms."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from kalbot.common import clock
from markets.models import Certificate, Event, FamilyMember
from markets.terms.atoms import Atoms
from markets.terms.exhaustiveness import CERTIFICATE_VERSION
from markets.terms.reading.strikes import Interval, at_least, greater, less
from markets.terms.states import StateList
from strategies.models import Decision, Profile
from tests.trading import world
from tests.trading.twin import Twin

FAMILY: Final = "FAMILY-KXT-1-KXT-2"
DEPTH: Final = 10_000


def spans(ranges: Twin, thresholds: Twin) -> dict[str, Interval]:
    """Below 100, 100 to under 110, 110 or more; above 99 and above 109.99."""
    low, middle, high = ranges.markets
    first, second = thresholds.markets
    return {
        low: less(Decimal(100)),
        middle: Interval(Decimal(100), True, Decimal(110), False),
        high: at_least(Decimal(110)),
        first: greater(Decimal(99)),
        second: greater(Decimal("109.99")),
    }


def pair() -> tuple[Twin, Twin]:
    """The two events with their books: what is below 110 for 45, above 109.99 for 40."""
    ranges = Twin("KXT-1")
    thresholds = Twin("KXT-2", beside=ranges)
    for bid, ask in ((1_500, 2_000), (2_000, 2_500), (3_800, 4_300)):
        ranges.add_market([(bid, DEPTH)], [(ask, DEPTH)])
    for bid, ask in ((7_800, 8_300), (3_500, 4_000)):
        thresholds.add_market([(bid, DEPTH)], [(ask, DEPTH)])
    family(ranges, thresholds)
    sync(ranges, thresholds)
    return ranges, thresholds


def family(ranges: Twin, thresholds: Twin) -> Event:
    """Their event in common, certified."""
    return certified(FAMILY, ranges, thresholds, spans(ranges, thresholds))


def certified(
    ticker: str,
    ranges: Twin,
    thresholds: Twin,
    values: Mapping[str, Interval],
    *,
    nobody: bool = False,
    any_no: bool = False,
) -> Event:
    """The event in common of two events, with a certificate of the atoms of these ``values`` (market -> where it pays).
    ``nobody``, ``any_no``: what its terms add."""
    row = Event.objects.create(
        ticker=ticker, series=ranges.row.series, is_family=True, rules_hash="family", exchange_index=ranges.shard
    )
    FamilyMember.objects.bulk_create(FamilyMember(family=row, event=twin.row) for twin in (ranges, thresholds))
    Certificate.objects.create(
        event=row,
        status="granted",
        kind="family",
        rules_hash="family",
        grade="guaranteed",
        reading=CERTIFICATE_VERSION,
        states=StateList.of_atoms(Atoms.of(values, nobody=nobody, any_no=any_no)).to_json(),
    )
    return row


def sync(*twins: Twin) -> None:
    """Write the present books to Redis."""
    for twin in twins:
        twin.sync()


def decide_quote(profile: Profile, ranges: Twin, thresholds: Twin, rests: str, count: int = 1_000) -> Decision:
    """NO from 110 on and YES above 109.99: at every value one pays. Taking both costs more than that; with one of them (``rests``)
    bought at its bid they cost less."""
    legs = [(ranges.markets[2], "no", 6_200), (thresholds.markets[1], "yes", 4_000)]
    quote = {"way": "one_leg", "leg": rests, "until_ms": clock.now_ms() + 86_400_000, "orphans": world.DOLLAR}
    return world.decide(
        profile,
        Event.objects.get(pk=FAMILY),
        {ticker: price for ticker, _, price in legs},
        count,
        kind="family",
        legs=[{"ticker": t, "side": side, "count": count, "limit_price": price} for t, side, price in legs],
        floor=10_000 * count,
        cost=9_950 * count,
        max_cost=9_990 * count,
        guaranteed=True,
        quote=quote,
        certificate=Certificate.objects.get(event=FAMILY),
    )


def decide(profile: Profile, ranges: Twin, thresholds: Twin, count: int = 1_000) -> Decision:
    """YES below 100, YES from 100 to under 110 and YES above 109.99: at every value one pays, in one run two."""
    low, middle, _ = ranges.markets
    limits = {low: 2_000, middle: 2_500, thresholds.markets[1]: 4_000}
    return world.decide(
        profile,
        Event.objects.get(pk=FAMILY),
        limits,
        count,
        kind="family",
        floor=10_000 * count,
        certificate=Certificate.objects.get(event=FAMILY),
    )
