"""One live event explained in words for one profile: filters, certificate, prices, arithmetic, and what would be done now."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from kalbot.common import clock
from kalbot.common.errors import KalbotError
from kalbot.common.wording import many
from markets import prices as live_prices
from markets.book import Side
from markets.models import Certificate, Event
from markets.prices import EventPrices
from strategies.catalogue import universe
from strategies.catalogue.universe import EventView
from strategies.collateral.funds import Purchase
from strategies.collateral.words import locked
from strategies.cycle import candidates, estimates
from strategies.cycle.candidate_evaluation import depths_of, evaluate_candidate, unusable
from strategies.cycle.evaluation import evaluate, limits_of
from strategies.cycle.returned import capital_for
from strategies.dutch.basket import Found, Kind
from strategies.dutch.explain import explain
from strategies.explain.book_evaluation import percent
from strategies.explain.probabilities import explain_estimate
from strategies.models import Profile, Verdict
from strategies.reasons import Reason
from strategies.screening.filters import FILTERS, Miss, Rules
from strategies.screening.price_screen import DOLLAR, Quoted, quoted
from strategies.screening.verdict import KINDS, price_of

FAR_PPM: Final = 10_000_000
"""Ten times the limit."""


class NoSuchEvent(KalbotError):
    """No open event of that ticker is in the database."""


class NotKnown(NoSuchEvent):
    """No event of that ticker is in the database, open or closed."""


def explain_event(event_ticker: str, profile: Profile) -> list[str]:
    """The whole story, one line each. Raises NoSuchEvent. Reads rows and Redis, writes nothing."""
    event = universe.load([event_ticker], deep=True).get(event_ticker)
    if event is None:
        raise _not_open(event_ticker)
    event, prices = estimates.read_one(live_prices.reader(), event, profile)
    return [
        *_heading(event, profile),
        *_verdict(event, profile),
        *_filters(event, profile),
        *_certificate(event),
        *_quotes(event, profile),
        *_live(event, profile, prices),
    ]


def _not_open(ticker: str) -> NoSuchEvent:
    known = Event.objects.filter(pk=ticker).first()
    if known is None:
        return NotKnown(f"{ticker} is not known here; only open events can be explained.")
    return NoSuchEvent(_closed(known))


def _closed(known: Event) -> str:
    ticker = known.pk
    if not known.is_family:
        return f"{ticker} is closed; only open events can be explained."
    if known.is_open:
        return f"{ticker} is not judged now: its certificate is not in force, or one of its events is not open."
    newest = Certificate.objects.filter(event=ticker).order_by("-version").first()
    why = "" if newest is None or not newest.reason else f" {newest.reason}"
    return f'{ticker} is no family now.{why} "manage.py families --why" with two of its events says what is missing.'


def _heading(event: EventView, profile: Profile) -> Iterator[str]:
    yield f"{event.ticker}: {event.title}"
    yield f"{event.category or 'no category'}, series {event.series}, {many(len(event.outcomes), 'outcome')}, fee type {event.fee_types}"
    if event.ends_ms is not None:
        yield f"Over for us at {clock.from_ms(event.ends_ms):%Y-%m-%d %H:%M} UTC"
    yield f"Profile {profile.name} ({profile.mode}): {', '.join(profile.kinds) or 'no kind of basket'}"


def _verdict(event: EventView, profile: Profile) -> Iterator[str]:
    row = Verdict.objects.filter(profile__name=profile.name, event_id=event.ticker).first()
    yield ""
    if row is None:
        yield "Verdict: none yet; the next screening will give one."
        return
    yield f"Verdict since {row.since:%Y-%m-%d %H:%M:%S} UTC: {row.get_status_display().lower()}"
    if row.constraint:
        yield "  " + _missed(Miss(Reason(row.constraint), row.value, row.limit, row.distance_ppm, row.flip))
    if row.live_constraint and row.live_at:
        miss = Miss(Reason(row.live_constraint), row.live_value, row.live_limit, row.live_distance_ppm, row.live_flip)
        yield f"Last evaluated on live books, {row.live_at:%H:%M:%S} UTC: {_missed(miss)}"


def _filters(event: EventView, profile: Profile) -> Iterator[str]:
    yield ""
    yield "Filters, in the order in which they bind:"
    rules, at = Rules.of(profile), clock.now_ms()
    for name, check in FILTERS:
        miss = check(event, rules, at)
        yield f"  {name:<14} {'passes' if miss is None else 'MISSED  ' + _missed(miss)}"


def _missed(miss: Miss) -> str:
    against = f"{miss.value}, required {miss.limit}" if miss.limit else miss.value
    return f"{miss.code}: {against}{_away(miss.distance_ppm)}".rstrip(": ")


def _away(ppm: int | None) -> str:
    """How far from passing; a distance of many times the limit says nothing more than that."""
    if ppm is None:
        return ""
    return f", {percent(ppm)} away" if abs(ppm) <= FAR_PPM else f", over {FAR_PPM // 10_000:,} % away"


def _certificate(event: EventView) -> Iterator[str]:
    yield ""
    row = (
        Certificate.objects.filter(event_id=event.ticker)
        .exclude(status=Certificate.Status.VOID)
        .order_by("-version")
        .first()
    )
    if event.certified and row is not None:
        yield f"Certificate v{row.version} ({row.kind}): one of the listed outcomes must win. {' '.join(row.evidence)}"
    elif row is not None and event.atoms is not None:
        size = f"{many(len(event.members), 'event')}, cut into {many(len(event.atoms), 'atom')}"
        yield f"Certificate v{row.version} ({row.kind}): one value settles {size}. {' '.join(row.evidence)}"
    elif row is not None and event.states is not None:
        yield f"Certificate v{row.version} ({row.kind}): at most one outcome wins, and none may. {' '.join(row.evidence)}"
    elif row is not None and row.reason:
        yield f"No certificate ({row.status}): {row.reason}"
    else:
        yield "No certificate: nothing says that one of the listed outcomes must win."


def _quotes(event: EventView, profile: Profile) -> Iterator[str]:
    """The price screen's arithmetic, kind by kind, on the catalogue's quotes."""
    yield ""
    yield "By the catalogue's quotes (minutes old, one contract a leg, never traded on):"
    if not event.fee_known:
        yield "  no arithmetic without a known fee"
        return
    rules = Rules.of(profile)
    for kind in KINDS:
        if kind not in rules.kinds or (kind == Kind.FAMILY) is not bool(event.members):
            continue
        found = quoted(event, kind, profile)
        if isinstance(found, Miss):
            yield f"  {kind}: {_missed(found)}"
            continue
        yield f"  {kind}: {_sum(found)}; pays ${found.pays / DOLLAR:.4f}"
        miss = price_of(found, rules)
        distance = miss.distance_ppm or 0
        yield f"    {'pays by these quotes' if distance <= 0 else f'misses by {percent(distance)} of its payout: {miss.flip}'}"


def _sum(basket: Quoted) -> str:
    terms = " + ".join(f"{leg.cost / DOLLAR:.4f}" for leg in basket.legs[:12])
    more = f" + {len(basket.legs) - 12} more" if len(basket.legs) > 12 else ""
    sides = " and ".join(side.name for side in Side if any(leg.side == side.value for leg in basket.legs))
    return f"{len(basket.legs)} {sides} legs, price and fee: {terms}{more} = ${basket.cost / DOLLAR:.4f}"


def _live(event: EventView, profile: Profile, prices: EventPrices) -> Iterator[str]:
    yield ""
    at = clock.now_ms()
    bad = unusable(event, prices, profile.max_price_age_ms, at)
    if bad is not None:
        yield f"No decision is possible now: {_missed(bad)}."
        return
    yield f"On live books (epoch {prices.epoch}, proof of life {prices.age_ms(at)} ms ago):"
    exposure = candidates.exposure(profile, clock.now()) if profile.pk else None
    blocked = exposure.blocked.get(event.ticker) if exposure is not None else None
    if blocked is not None:
        yield f"The profile would not decide on this event now: {blocked.sentence}."
    if not event.fee_known:
        yield f"The fee ({event.fee_types}) is not known, so nothing of this event may be traded."
        return
    books, left = depths_of(prices), None
    if exposure is not None:
        judged_with = partial(evaluate_candidate, profile, event, books, at)
        left = capital_for(profile, exposure.choices, exposure.capital_left, judged_with)
    outcome = evaluate(event, books, limits_of(profile, event, at, left))
    yield from explain_estimate(event, profile)
    yield from explain(outcome, _names(event), cap=event.grade, discretion=event.discretion)
    if isinstance(outcome, Found) and outcome.basket.kind is Kind.ALL_NO:
        yield locked([Purchase(leg.ticker, leg.side, leg.count, leg.cost) for leg in outcome.basket.legs])


def _names(event: EventView) -> dict[str, str]:
    return {outcome.ticker: outcome.name for outcome in event.outcomes if outcome.name}
