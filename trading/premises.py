"""What a position rests on, fixed when it is opened: the settlement states, the grade that they allow, and hashes of the evidence."""

from __future__ import annotations

from typing import Any

from markets.models import Market
from markets.terms.grades import Grade
from markets.terms.states import StateError, listed_states
from strategies.models import Decision, Kind


def of(decision: Decision) -> dict[str, Any]:
    """The columns of a position that keep the premises of ``decision``. What is not known of it grades as conditional."""
    tickers = list(
        Market.objects.filter(event_id=decision.event_id).order_by("ticker").values_list("ticker", flat=True)
    )
    certified = decision.kind == Kind.ALL_YES and decision.certificate_id is not None
    try:
        states = [listed_states(tickers, certified=certified).to_json()]
    except StateError:
        states = []
    grade = Grade.IF_DETERMINED if decision.guaranteed and states else Grade.CONDITIONAL
    return {"states": states, "grade": grade, "rules_hash": decision.rules_hash}
