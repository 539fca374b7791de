"""What a position rests on, fixed when it is opened: the settlement states, the grade that they allow, and hashes of the evidence."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from kalbot.common.db.prepared import Prepared
from markets.models import Certificate, Market
from markets.terms.atoms import AtomError
from markets.terms.grades import Grade
from markets.terms.states import StateError, StateList, listed_states
from strategies.models import Decision
from trading import states
from trading.accounting import booking
from trading.models import ACTIVE, Leg, Position, PositionEvent


def of(decision: Decision, certified: Any) -> dict[str, Any]:
    """The columns of a position that keep the premises of ``decision``, ``certified``: the states that its certificate lists, if any.
    What is not known of it grades as conditional."""
    try:
        if certified:
            listed, grade = StateList.from_json(certified), Grade(decision.grade)
            listed = listed.about({leg["ticker"] for leg in decision.legs})
        else:
            tickers = (
                Market.objects.filter(event_id=decision.event_id).order_by("ticker").values_list("ticker", flat=True)
            )
            listed, grade = listed_states(list(tickers), certified=False), Grade.CONDITIONAL
    except (StateError, AtomError):
        return {"states": [], "grade": Grade.CONDITIONAL, "rules_hash": decision.rules_hash}
    return {"states": [listed.to_json()], "grade": grade, "rules_hash": decision.rules_hash}


UNPROVEN: Final = {"premises": "unproven"}
"""Marks the event that says so, once."""
REVOKED: Final = {"premises": "revoked"}
"""Marks the event that says so."""


def complete_old() -> int:
    """Give positions that were opened before their states were kept the states of then, where the certificate proves them: that of the
    decision, or a later one of the same rules, which lists every leg. Where nothing does, that is said once. Returns how many."""
    return sum(_complete(position) for position in _OLD.rows())


def _old() -> QuerySet[Position]:
    said = PositionEvent.objects.filter(data=UNPROVEN).values("position")
    old = Position.objects.filter(states=[], status__in=ACTIVE).exclude(pk__in=said)
    return old.select_related("decision__certificate", "profile")


_OLD: Final = Prepared(_old)


def _complete(position: Position) -> bool:
    found = _proof(position)
    with transaction.atomic():
        if found is None:
            note = "opened before settlement states were kept, and no certificate of its rules lists them: shown as conditional"
            states.note(position, note, data=UNPROVEN)
            return False
        listed, grade = found
        rows = Position.objects.filter(pk=position.pk, states=[])
        if not rows.update(states=[listed.to_json()], grade=grade, rules_hash=position.decision.rules_hash):
            return False
        states.note(position, f"its settlement states are proven by the certificate of its rules: {grade.label}")
        states.reload(position)
        booking.recount(position)
    return True


def resting_on(events: QuerySet[Any, Any] | Collection[str]) -> QuerySet[Position]:
    """The active positions of these events, by ticker, and those of a basket across events with a leg in one of them."""
    of_legs = Leg.objects.filter(position=OuterRef("pk"), market__event__in=events)
    return Position.objects.filter(Q(event__in=events) | Exists(of_legs), status__in=ACTIVE)


def obey_revocations() -> int:
    """Grade as conditional, to their end, the active positions that rest on a certificate that a person revoked: that of their event, or
    of an event of one of their legs. A certificate granted afterwards is another one. Returns how many."""
    revoked = Certificate.objects.filter(status=Certificate.Status.REVOKED).values("event")
    resting = resting_on(revoked).filter(revoked=False).exclude(grade=Grade.CONDITIONAL)
    found = list(resting.select_related("profile"))
    for position in found:
        with transaction.atomic():
            if Position.objects.filter(pk=position.pk, revoked=False).update(revoked=True):
                note = f"the certificate that it was opened on is revoked: {Grade.CONDITIONAL.label} from now on"
                states.note(position, note, data=REVOKED)
                states.reload(position)
                booking.recount(position)
    return len(found)


def _proof(position: Position) -> tuple[StateList, Grade] | None:
    """The states by a certificate of the very rules that the decision rested on, and the grade that decision and certificate allow."""
    decision = position.decision
    if not decision.rules_hash:
        return None
    of_rules = Certificate.objects.filter(event_id=decision.event_id, rules_hash=decision.rules_hash)
    kept = of_rules.exclude(states={}).exclude(status__in=[Certificate.Status.REFUSED, Certificate.Status.REVOKED])
    rested_on = decision.certificate
    own = [rested_on] if rested_on is not None and rested_on in kept else []
    tickers = set(position.legs.values_list("market_id", flat=True))
    for certificate in [*own, *kept.order_by("-id")]:
        try:
            listed, grade = StateList.from_json(certificate.states), Grade(certificate.grade)
        except (StateError, ValueError):
            continue
        if tickers <= set(listed.outcomes):
            return listed, grade if decision.guaranteed else Grade.CONDITIONAL
    return None
