"""One verdict for one event and one profile. Pure: no rows, no clock of its own.

By quotes (``judge``):

candidate   every filter passes and the quoted cost of an allowed kind is within ``watch_margin_ppm`` of leaving the
            profile's margin: its books are worth watching;
near miss   everything else passes and one thing misses by at most ``near_miss_ppm``: the price, or exactly one filter;
rejected    the rest, with the first filter that binds or, when all pass, the nearest kind's constraint.

By books (``strategies.cycle.candidate_evaluation``) the same words hold, and a candidate is a basket that could be bought now.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from kalbot.common.units import PPM
from strategies.catalogue.universe import EventView
from strategies.dutch.basket import Basket
from strategies.models import Kind, Profile
from strategies.models import Verdict as VerdictRow
from strategies.reasons import NEVER_NEAR, Reason
from strategies.screening.filters import Miss, Rules, misses
from strategies.screening.price_screen import DOLLAR, Quoted, quoted

log = logging.getLogger(__name__)

Status = VerdictRow.Status
KINDS: Final = (Kind.ALL_YES.value, Kind.ALL_NO.value, Kind.COVERAGE.value, Kind.FAMILY.value)

QuoteCache = dict[tuple[Any, ...], Quoted | Miss]
"""What the best prices suggest per event and question, shared by the profiles of one screening."""


class Prices(StrEnum):
    """What a verdict was reached on: the best quotes, one contract a leg, or full order books."""

    QUOTES = "quotes"
    BOOKS = "books"


class Summary(Mapping[str, Any]):
    """The arithmetic of a basket, worked out when somebody reads it. A fault in it is logged, and it says nothing: the verdict holds."""

    __slots__ = ("_known", "_make")

    def __init__(self, make: Callable[[], dict[str, Any]]) -> None:
        self._make = make
        self._known: dict[str, Any] | None = None

    def _read(self) -> dict[str, Any]:
        if self._known is None:
            try:
                self._known = self._make()
            except Exception:
                log.exception("the basket that came nearest cannot be worked out")
                self._known = {}
        return self._known

    def __getitem__(self, key: str) -> Any:
        return self._read()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __repr__(self) -> str:
        return repr(self._read())


@dataclass(frozen=True, slots=True)
class Verdict:
    """Candidate, near miss or rejected, with the one binding constraint.

    ``prices`` is None where no price was considered. ``constraint`` is None for a candidate. ``distance_ppm`` is of the
    payout for prices, of the limit for filters; for a candidate by quotes it may be negative (the quotes pay already) and
    orders the watchlist. ``basket``, by books only: what would be bought, or what came nearest. ``failed``: every filter
    that was missed. ``recalled``: reached by an earlier cycle on books that have not changed since. ``quote``: how the legs of ``basket``
    rest (``Decision.quote``); empty where all are taken.
    """

    status: Status
    prices: Prices | None = None
    constraint: Reason | None = None
    value: str = ""
    limit: str = ""
    distance_ppm: int | None = None
    flip: str = ""
    kind: str = ""
    summary: Mapping[str, Any] = field(default_factory=dict)
    failed: tuple[Reason, ...] = ()
    basket: Basket | None = None
    recalled: bool = False
    quote: dict[str, Any] = field(default_factory=dict)

    @property
    def on_books(self) -> bool:
        """Whether order books were evaluated."""
        return self.prices is Prices.BOOKS

    @property
    def miss(self) -> Miss | None:
        """The binding constraint with its measurements; None for a candidate."""
        if self.constraint is None:
            return None
        return Miss(self.constraint, self.value, self.limit, self.distance_ppm, self.flip)


def missed(
    status: Status,
    miss: Miss,
    prices: Prices | None = None,
    *,
    kind: str = "",
    summary: Mapping[str, Any] | None = None,
    failed: tuple[Reason, ...] = (),
    basket: Basket | None = None,
) -> Verdict:
    """The verdict that ``miss`` binds."""
    return Verdict(
        status=status,
        prices=prices,
        constraint=miss.code,
        value=miss.value,
        limit=miss.limit,
        distance_ppm=miss.distance_ppm,
        flip=miss.flip,
        kind=kind,
        summary={} if summary is None else summary,
        failed=failed,
        basket=basket,
    )


def passed_over(paying: Verdict, miss: Miss) -> Verdict:
    """The verdict of a basket that pays on its books and is not bought, because its money goes to a better one: as near as can be."""
    return missed(Status.NEAR_MISS, miss, Prices.BOOKS, kind=paying.kind, summary=paying.summary, basket=paying.basket)


def is_near(distance_ppm: int | None, profile: Profile) -> bool:
    """Whether a miss by ``distance_ppm`` is what the profile calls near. None: there is no half way."""
    return distance_ppm is not None and distance_ppm <= profile.near_miss_ppm


def near_or_rejected(near: bool) -> Status:
    """The status of a verdict that some constraint binds."""
    return Status.NEAR_MISS if near else Status.REJECTED


def one_near_filter(failed: Sequence[Miss], profile: Profile) -> bool:
    """Whether exactly one filter was missed, by little, and is one that may still be passed."""
    return len(failed) == 1 and failed[0].code not in NEVER_NEAR and is_near(failed[0].distance_ppm, profile)


def judge(
    event: EventView, rules: Rules, now_ms: int, cache: QuoteCache | None = None, failed: Sequence[Miss] | None = None
) -> Verdict:
    """The one verdict of ``event`` by its quotes under ``rules`` at ``now_ms``. ``failed``: the filters that it does not pass, where they
    are known."""
    profile = rules.profile
    failed = misses(event, rules, now_ms) if failed is None else failed
    codes = tuple(miss.code for miss in failed)
    if failed and not one_near_filter(failed, profile):
        return missed(Status.REJECTED, failed[0], failed=codes)
    price, basket = _nearest_price(event, rules, {} if cache is None else cache)
    summary = {} if basket is None else in_summary(basket)
    kind = "" if basket is None else basket.kind
    distance = price.distance_ppm
    if failed:
        near = distance is not None and distance <= max(profile.near_miss_ppm, profile.watch_margin_ppm)
        status = near_or_rejected(near)
        return missed(status, failed[0], Prices.QUOTES, kind=kind, summary=summary if near else {}, failed=codes)
    if basket is not None and distance is not None and distance <= profile.watch_margin_ppm:
        return Verdict(
            Status.CANDIDATE,
            Prices.QUOTES,
            value=price.value,
            limit=price.limit,
            distance_ppm=distance,
            kind=kind,
            summary=summary,
        )
    near = is_near(distance, profile)
    return missed(near_or_rejected(near), price, Prices.QUOTES, kind=kind, summary=summary if near else {})


def _nearest_price(event: EventView, rules: Rules, cache: QuoteCache) -> tuple[Miss, Quoted | None]:
    """The allowed kind that comes nearest to paying, as the price it misses by; with the basket, if one can be quoted."""
    best: tuple[tuple[bool, bool, int], Quoted | Miss] | None = None
    for kind in KINDS:
        if kind not in rules.kinds or (kind == Kind.FAMILY) is not bool(event.members):
            continue
        found = _quoted(event, kind, rules, cache)
        basket = None if isinstance(found, Miss) else found
        distance = found.distance_ppm if isinstance(found, Miss) else distance_of(found, rules)
        order = (basket is None, distance is None, distance or 0)
        if best is None or order < best[0]:
            best = order, found
    if best is None:
        return Miss(Reason.KINDS, "none", "a kind of basket that the profile may buy"), None
    nearest = best[1]
    return (nearest, None) if isinstance(nearest, Miss) else (price_of(nearest, rules), nearest)


def _quoted(event: EventView, kind: str, rules: Rules, cache: QuoteCache) -> Quoted | Miss:
    threshold = rules.profile.coverage_threshold_ppm if kind == Kind.COVERAGE else 0
    key = (event.ticker, kind, rules.profile.min_depth, threshold)
    if key not in cache:
        cache[key] = quoted(event, kind, rules.profile)
    return cache[key]


def distance_of(basket: Quoted, rules: Rules) -> int:
    """The distance that ``price_of`` says, millionths."""
    by_price = basket.missing_ppm(rules.profile.min_margin_ppm)
    missing = _expected_missing(basket, rules, by_price)
    return by_price if missing is None else missing


def _expected_missing(basket: Quoted, rules: Rules, by_price: int) -> int | None:
    """By how much a bet's expected profit misses what the profile requires, where that binds and not its price."""
    if basket.kind != Kind.COVERAGE:
        return None
    missing = rules.profile.min_expected_margin_ppm - basket.expected_margin_ppm
    return None if missing <= max(by_price, 0) else missing


def price_of(basket: Quoted, rules: Rules) -> Miss:
    """By how much the quoted cost misses what the profile requires of the price (distance <= 0: it does not)."""
    distance = basket.missing_ppm(rules.profile.min_margin_ppm)
    amount = distance * basket.pays // PPM
    sides = "YES and NO" if basket.kind == Kind.FAMILY else basket.legs[0].side.upper()
    value = f"${basket.cost / DOLLAR:.4f} for {len(basket.legs)} {sides} legs"
    limit = f"pays ${basket.pays / DOLLAR:.4f}"
    flip = f"the {sides} asks of its legs must fall by ${amount / DOLLAR:.4f} in all"
    by_price = Miss(Reason.MARGIN, value, limit, distance, flip)
    required, missing = rules.profile.min_expected_margin_ppm, _expected_missing(basket, rules, distance)
    if missing is None:
        return by_price
    return Miss(
        Reason.EXPECTED_MARGIN,
        f"{basket.expected_margin_ppm / 10_000:.2f} % expected",
        f"at least {required / 10_000:.2f} %",
        missing,
        f"its cost must fall by {missing / 10_000:.2f} %, or the market must think its outcomes likelier",
    )


def in_summary(basket: Quoted) -> dict[str, Any]:
    """The arithmetic of one contract of the basket by the best prices, as stored beside the verdict."""
    return {
        "source": Prices.QUOTES.value,
        "kind": basket.kind,
        "count": 100,
        "cost": basket.cost,
        "pays": basket.pays,
        "coverage": basket.coverage,
        "legs": [
            {"ticker": leg.ticker, "side": leg.side, "count": 100, "price": leg.price, "cost": leg.cost}
            for leg in basket.legs
        ],
    }
