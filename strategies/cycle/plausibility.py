"""The plausibility brake: a guaranteed margin above the profile's limit waits for a person.

Free money in a public market usually means that something was misread: an outcome that is missing, a rule, a book. So the
basket is held, with what makes it suspicious, until a person has approved the event for a stated time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from django.db.models import F

from kalbot.common import clock
from kalbot.common.errors import KalbotError
from kalbot.common.units import DOLLAR_PRICE, format_price
from markets.book import Depth, Side
from markets.models import Event
from strategies.catalogue.universe import EventView
from strategies.dutch.basket import Basket, Kind
from strategies.models import EventApproval, Profile
from strategies.reasons import Reason
from strategies.screening.filters import Miss
from strategies.screening.verdict import Prices, Status, Verdict, missed

LONGEST: Final = timedelta(days=7)
"""An approval for longer would outlive what it was given on."""


class CannotApprove(KalbotError):
    """The approval says too little; the message says what is missing."""


def approve(event_ticker: str, *, actor: str, note: str, lasts: timedelta) -> EventApproval:
    """Let baskets of the event through, whatever their margin, for ``lasts``. CannotApprove without a name, a note or a time."""
    if not actor.strip() or not note.strip():
        raise CannotApprove("An approval needs a person and a note that says why the margin is believed.")
    if not timedelta(0) < lasts <= LONGEST:
        raise CannotApprove(f"An approval lasts at most {LONGEST.days} days.")
    read = Event.objects.get(pk=event_ticker).rules_hash
    return EventApproval.objects.create(
        event_id=event_ticker, actor=actor, note=note, rules_hash=read, expires_at=clock.now() + lasts
    )


def approval_of(event_ticker: str) -> EventApproval | None:
    """The approval in force that lasts longest, or None. One ends as soon as the event's rules or outcomes are others."""
    return (
        EventApproval.objects.filter(
            event_id=event_ticker, rules_hash=F("event__rules_hash"), expires_at__gt=clock.now()
        )
        .order_by("-expires_at")
        .first()
    )


def checked(verdict: Verdict, profile: Profile, event: EventView, books: Mapping[str, Depth]) -> Verdict:
    """``verdict``, or that its basket is held for a person."""
    basket = verdict.basket
    if verdict.status is not Status.CANDIDATE or basket is None or basket.kind is Kind.COVERAGE:
        return verdict
    limit = profile.plausible_margin_ppm
    if basket.margin_ppm <= limit or approval_of(event.ticker) is not None:
        return verdict
    held = Miss(
        Reason.IMPLAUSIBLE,
        f"margin {basket.margin_ppm / 10_000:.2f} %",
        f"at most {limit / 10_000:.2f} % unseen",
        basket.margin_ppm - limit,
        f"a person's approval of the event; suspicious: {'; '.join(suspicions(basket, event, books))}"[:300],
    )
    return missed(Status.NEAR_MISS, held, Prices.BOOKS, kind=verdict.kind, summary=verdict.summary, basket=basket)


def suspicions(basket: Basket, event: EventView, books: Mapping[str, Depth]) -> list[str]:
    """What is odd about the prices, the strongest first. At least one sentence."""
    depths = [books.get(outcome.ticker, Depth()) for outcome in event.outcomes]
    bids = sum(depth.best_bid(Side.YES) or 0 for depth in depths)
    asks = [ask for depth in depths if (ask := depth.best_ask(Side.YES)) is not None]
    found = []
    if basket.kind is Kind.ALL_YES:
        found.append(
            f"{len(asks)} YES asks add up to ${format_price(sum(asks))}, as if a likely outcome were not listed"
        )
    elif basket.kind is Kind.FAMILY:
        found.append(f"{len(basket.legs)} prices of one value do not agree")
    else:
        found.append(f"YES bids add up to ${format_price(bids)}, as if several outcomes could win")
    silent = sum(1 for depth in depths if not depth.yes_bids or not depth.no_bids)
    if silent:
        found.append(f"{silent} of {len(depths)} books have an empty side")
    wide = sum(
        1 for d in depths if (d.best_ask(Side.YES) or DOLLAR_PRICE) - (d.best_bid(Side.YES) or 0) > DOLLAR_PRICE // 5
    )
    if wide:
        found.append(f"{wide} books have more than 20 cents between bid and ask")
    if not event.volume:
        found.append("nothing was ever traded")
    return found
