"""Writing a decision: the immutable order to open a basket, with everything that justified it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Any, Final

from django.db import transaction
from django.db.models import BigIntegerField, CharField, DateTimeField

from kalbot.common import clock, events, trace
from kalbot.common.db import direct, pipeline
from kalbot.common.db.pipeline import Statement
from kalbot.common.db.prepared import Param, Prepared
from kalbot.common.db.prepared_columns import PreparedColumns
from kalbot.common.db.retry import retried
from kalbot.common.messages import EXECUTE_DECISION, send_on_commit
from kalbot.common.trace import Stage
from kalbot.common.units import PPM
from markets.book import Depth
from markets.prices import EventPrices
from markets.terms.grades import Grade
from strategies.catalogue.universe import EventView
from strategies.cycle import claims, handover, holdings, quotes
from strategies.cycle.claims import Claims
from strategies.cycle.evaluation import basket_grade
from strategies.dutch.basket import Basket, Kind
from strategies.dutch.coverage import by_family, probabilities
from strategies.dutch.explain import explain_basket
from strategies.models import Decision, Mode, Profile, Verdict

log = logging.getLogger(__name__)


def build(
    profile: Profile,
    event: EventView,
    basket: Basket,
    prices: EventPrices,
    now_ms: int,
    quote: Mapping[str, Any] | None = None,
) -> Decision:
    """The decision to buy ``basket``, not yet stored. ``quote``: see ``Decision.quote``."""
    depths = {ticker: market.depth for ticker, market in prices.markets.items() if market.depth is not None}
    return Decision(
        profile=profile,
        mode=profile.mode,
        event_id=event.ticker,
        kind=basket.kind.value,
        count=basket.count,
        quote=dict(quote or {}),
        legs=[_leg(leg, prices) for leg in basket.legs],
        cost=basket.cost,
        fees=basket.fees,
        max_cost=basket.cost_at_limits,
        floor=basket.floor,
        conditional=basket.conditional,
        expected=round(basket.expected or 0),
        coverage_ppm=round((basket.coverage or 0) * PPM),
        margin_ppm=basket.margin_ppm,
        guaranteed=basket.guaranteed and event.states_known,
        grade=basket_grade(event, basket).value,
        certificate_id=event.certificate_id,
        rules_hash=event.rules_hash,
        payoff=_payoff(event, basket),
        probabilities=_probabilities(event, basket, depths),
        epoch=prices.epoch,
        price_age_ms=prices.age_ms(now_ms),
        explanation="\n".join(
            [
                *explain_basket(basket, _names(event), event.grade, event.discretion),
                *_estimate(event, basket),
                *quotes.explain(quote or {}),
            ]
        ),
    )


def take(decision: Decision, verdict_id: int, seen: int, event: EventView, claimed: Claims) -> bool:
    """Store ``decision`` unless another cycle was faster; True if this one won. ``claimed``: what was taken off the books of ``event``
    when it was made; a live decision of another profile on them since then makes it one that lost.

    ``seen`` is the verdict's count of decisions as it was read *before* the open decisions were. Counting it up, only if it
    still is ``seen``, in the transaction that inserts the decision, lets exactly one of several racing cycles through.
    Active shadows of the profile take the same decision in the same transaction. Trading is nudged after the commit. A transaction that
    lost a race in the database is done again: the cycle goes on to the next event.
    """
    return retried(partial(_take, decision, verdict_id, seen, event, claimed))


def _take(decision: Decision, verdict_id: int, seen: int, event: EventView, claimed: Claims) -> bool:
    with transaction.atomic():
        counted, is_open, shadows, *beside = pipeline.rows_of(
            *_before(decision.profile, decision.event_id, verdict_id, seen, event.books_of)
        )
        if not counted:
            return False
        is_alone = claims.still(claimed, decision.profile, {o.ticker for o in event.outcomes}, beside)
        if not is_alone or is_open:
            transaction.set_rollback(True)
            return False
        written = [decision, *_repeated(decision, _SHADOWS.made(shadows))]
        with direct.together({}, commits=True):
            direct.insert(written)
        for each in written:
            transaction.on_commit(partial(trace.count, each.trace, trace.BEFORE), robust=True)
            send_on_commit(EXECUTE_DECISION, str(each.pk), handover.packed(each))
            events.emit(
                events.Event.DECISION,
                decision=each.pk,
                profile=each.profile_id,
                mode=each.mode,
                event_ticker=each.event_id,
                kind=each.kind,
                count=each.count,
                cost=each.cost,
                floor=each.floor,
                grade=Grade(each.grade).label,
            )
    return True


def rehearse(profile: Profile, event: str) -> None:
    """Run what ``take`` reads before it stores a decision of ``profile``, about a verdict that there is not: so that the statements are
    compiled, and known to this thread's connection."""
    with transaction.atomic():
        pipeline.rows_of(*_before(profile, event, 0, 0, [event]))
        transaction.set_rollback(True)


def _before(profile: Profile, event: str, verdict_id: int, seen: int, books_of: Collection[str]) -> list[Statement]:
    """Count the verdict's decisions up, and read what may forbid this one."""
    return [
        direct.updating(
            Verdict, {"decisions": seen + 1}, id=verdict_id, decisions=seen, status=Verdict.Status.CANDIDATE.value
        ),
        _open(profile.pk, event),
        _SHADOWS.statement(profile=profile.pk),
        *claims.locking(profile, books_of),
    ]


_OWNER = Param("profile", BigIntegerField())
_OPEN: Final = PreparedColumns(
    lambda: (
        holdings.current()
        .open_decisions(_OWNER, Param("since", DateTimeField()))
        .filter(event=Param("event", CharField()))
        .order_by()
        .values_list("profile_id")
    )
)
_SHADOWS: Final = Prepared(lambda: Profile.objects.filter(shadow_of=_OWNER, is_active=True, mode=Mode.SIM))


def _open(profile_id: int, event: str) -> Statement:
    """Reads a row for each basket of an event that a profile has open."""
    return _OPEN.statement(profile=profile_id, event=event, since=clock.now() - holdings.TAKEN_UP_WITHIN)


def _repeated(decision: Decision, shadows: Iterable[Profile]) -> list[Decision]:
    """The same decision for each of ``shadows`` that does not hold the event already."""
    copies = []
    for shadow in shadows:
        if pipeline.rows_of(_open(shadow.pk, decision.event_id))[0]:
            continue
        columns = {f.attname: getattr(decision, f.attname) for f in Decision._meta.concrete_fields if not f.primary_key}
        columns |= {"profile_id": shadow.pk, "mode": shadow.mode, "shadow_of_id": decision.pk}
        copies.append(Decision(**columns))
    return copies


def _leg(leg: Any, prices: EventPrices) -> dict[str, Any]:
    market = prices.markets[leg.ticker]
    return {
        "ticker": leg.ticker,
        "side": leg.side.value,
        "name": leg.name,
        "count": leg.count,
        "limit_price": leg.limit_price,
        "price_paid": leg.price_paid,
        "fees": leg.fees,
        "seq": market.seq,
        "exchange_ms": market.exchange_ms,
        "receive_ms": market.receive_ms,
    }


def _names(event: EventView) -> dict[str, str]:
    return {outcome.ticker: outcome.name for outcome in event.outcomes if outcome.name}


def _payoff(event: EventView, basket: Basket) -> list[list[Any]]:
    names = _names(event)
    return [[state.words(names), pays] for state, pays in basket.payoff]


def _estimate(event: EventView, basket: Basket) -> list[str]:
    """Whose quotes its probabilities come from, of a bet on coverage in an event whose family may speak."""
    return [event.estimate.sentence] if event.estimate is not None and basket.kind is Kind.COVERAGE else []


def _probabilities(event: EventView, basket: Basket, depths: Mapping[str, Depth]) -> dict[str, float]:
    if event.members:
        return {}
    books = {outcome.ticker: depths.get(outcome.ticker, Depth()) for outcome in event.outcomes}
    found = probabilities(books, certified=event.certified, power=event.power) or {}
    family = None if event.estimate is None or basket.kind is not Kind.COVERAGE else event.estimate.chances
    if family is not None and found:
        found = by_family(found, family)
    return {ticker: round(chance, 6) for ticker, chance in found.items()}


def traced(decision: Decision, moments: Mapping[Stage, int]) -> trace.Trace:
    """The way to a decision that is made now. What happened before the newest frame behind it is about another one."""
    received = max((leg["receive_ms"] for leg in decision.legs), default=0) * 1000
    found: trace.Trace = {Stage.RECEIVED.value: received, Stage.DECIDED.value: trace.now()}
    return found | {stage.value: at for stage, at in moments.items() if at >= received}
