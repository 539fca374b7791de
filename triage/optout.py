"""A person's word that triage may advise on a position but never exit it by itself, or the word taken back."""

from __future__ import annotations

from django.db import transaction

from trading import states
from trading.models import ACTIVE, Position


def set_opt_out(position_id: int, *, out: bool, actor: str, reason: str) -> bool:
    """Keep the wish on the position, with an event in its story. False if the position has ended or already says so."""
    with transaction.atomic():
        asked = Position.objects.filter(pk=position_id, status__in=ACTIVE, triage_opt_out=not out)
        if not asked.update(triage_opt_out=out):
            return False
        words = "triage may not exit it by itself" if out else "triage may exit it where the profile allows"
        states.note(Position.objects.get(pk=position_id), f"{words}: {reason}", actor=actor)
    return True
