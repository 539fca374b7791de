"""Gates for the probabilities of families (``strategies.models.FamilyGate``): ended by what settles after they were opened.

A gate was earned on tapes. Its e-value goes on here with every first estimate that was frozen beside the market since and has settled;
the product is the evidence of both. Below what is needed it is not used, and from there on again.
"""

from __future__ import annotations

import logging

from kalbot.common import clock
from strategies.models import FamilyGate
from strategies.models.corrections import NEEDED
from triage.models import SourceForecast
from triage.scoring.forecasts import as_scored
from triage.scoring.scoring import evidence
from triage.sources.registry import FAMILY

log = logging.getLogger(__name__)


def refresh() -> int:
    """Bring every gate in line with what has settled; returns how many opened or ended."""
    gates = list(FamilyGate.objects.all())
    rows = list(SourceForecast.objects.filter(source=FAMILY).exclude(settled_at=None)) if gates else []
    turned = 0
    for gate in gates:
        where = gate.category, gate.lead_hours
        later = [row for row in rows if row.formed_at > gate.made_at and _where(row) == where]
        value, _ = evidence(one for row in later if (one := as_scored(row)) is not None)
        is_enough = gate.e_value * value >= NEEDED
        ended_at = None if is_enough else gate.ended_at or clock.now()
        if (ended_at is None) != (gate.ended_at is None):
            turned += 1
            log.warning("%s: %s with %d later events", gate, "open again" if is_enough else "ended", len(later))
        FamilyGate.objects.filter(pk=gate.pk).update(later_e_value=value, later_events=len(later), ended_at=ended_at)
    return turned


def _where(row: SourceForecast) -> tuple[str | None, int | None]:
    return row.learned.get("category"), row.learned.get("lead")
