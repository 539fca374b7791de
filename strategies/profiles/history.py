"""The history of a profile: changes that came without a form get a row of their own, so that none is put down to the next person."""

from __future__ import annotations

from kalbot.common import clock
from strategies.models import Profile

BY_ITSELF = "changed by Kalbot or by a command, not by a form"


def record_others(profile_id: int) -> bool:
    """Add a row without a person if the profile is not as its history has it: capital that was lent, swept or earned, a command, a
    release. To be called before a person's change is stored. Whether one was added."""
    rows = Profile.history.model
    stored = Profile.objects.get(pk=profile_id)
    last = rows.objects.filter(id=profile_id).order_by("-history_date", "-history_id").first()
    names = [field.attname for field in rows.tracked_fields]
    differing = [
        name
        for name in names
        if name != "updated_at" and (last is None or getattr(last, name) != getattr(stored, name))
    ]
    if differing:
        rows.objects.create(
            history_date=clock.now(),
            history_type="~",
            history_change_reason=BY_ITSELF,
            history_user=None,
            **{name: getattr(stored, name) for name in names},
        )
    return bool(differing)
