"""What a position rests on, fixed when it is opened: the settlement states, the grade that they allow, and hashes of the evidence."""

from __future__ import annotations

from typing import Any

from markets.models import Market
from markets.terms.grades import Grade
from markets.terms.states import StateError, StateList, listed_states
from strategies.models import Decision


def of(decision: Decision) -> dict[str, Any]:
    """The columns of a position that keep the premises of ``decision``. What is not known of it grades as conditional."""
    certificate = decision.certificate
    try:
        if certificate is not None and certificate.states:
            states, grade = StateList.from_json(certificate.states), Grade(decision.grade)
        else:
            tickers = (
                Market.objects.filter(event_id=decision.event_id).order_by("ticker").values_list("ticker", flat=True)
            )
            states, grade = listed_states(list(tickers), certified=False), Grade.CONDITIONAL
    except StateError:
        return {"states": [], "grade": Grade.CONDITIONAL, "rules_hash": decision.rules_hash}
    return {"states": [states.to_json()], "grade": grade, "rules_hash": decision.rules_hash}
