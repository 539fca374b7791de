"""Paper twins of live profiles: they take the same decisions, so that paper can be compared with live, trade by trade.

While its live profile is off a twin decides for itself: that is the record on paper which the way back to live asks for.
"""

from __future__ import annotations

from typing import Final

from strategies.models import Mode, Profile
from strategies.profiles import history, validation

OWN: Final = frozenset(
    {"id", "name", "description", "mode", "is_active", "subaccount", "shadow_of", "created_at", "updated_at"}
    | {"lend_above", "borrow_up_to"}
)
"""What a twin does not have from its live profile. It neither lends nor borrows: what is its live profile's is its own on paper."""


class CannotShadow(ValueError):
    """There is no such twin to be had; the text says why, for a person."""


def make(live: Profile, name: str = "", reason: str = "") -> Profile:
    """The active paper twin of ``live``; an existing one is switched on again and brought up to date. CannotShadow otherwise."""
    if live.mode != Mode.LIVE:
        raise CannotShadow(f"{live.name} is not a live profile; only those have paper twins.")
    twin = live.shadows.first()
    if twin is None:
        twin = Profile(name=name or default_name(live), shadow_of=live, description=f"Paper twin of {live.name}.")
        if Profile.objects.filter(name=twin.name).exists():
            raise CannotShadow(f"There is a profile {twin.name} already; choose another name.")
    elif name not in ("", twin.name):
        raise CannotShadow(f"{live.name} has a paper twin already, {twin.name}; it keeps its name.")
    else:
        history.record_others(twin.pk)
    for field in _shared():
        setattr(twin, field, getattr(live, field))
    twin.mode, twin.is_active, twin.lend_above, twin.borrow_up_to = Mode.SIM, True, None, 0
    found = validation.problems(twin)
    if found:
        raise CannotShadow("; ".join(found.values()))
    _store(twin, live, reason)
    return twin


def stop(live: Profile, reason: str = "") -> int:
    """Switch the twins off; their positions are still managed. Returns how many there were."""
    twins = list(live.shadows.filter(is_active=True))
    for twin in twins:
        history.record_others(twin.pk)
        twin.is_active = False
        _store(twin, live, reason)
    return len(twins)


def _store(twin: Profile, live: Profile, reason: str) -> None:
    """With the reason in the history of the twin."""
    words = f"paper twin of {live.name}" + (f": {reason}" if reason else "")
    twin._change_reason = words[:100]  # type: ignore[attr-defined]
    twin.save()


def default_name(live: Profile) -> str:
    """The name of a twin that nobody has named."""
    return f"{live.name[:42]}-paper"


def in_words(twin: Profile) -> str:
    """What the twin does from now on."""
    live = twin.shadow_of
    assert live is not None
    if live.is_active:
        return f"{twin.name} takes the decisions of {live.name} on paper from now on."
    return f"{live.name} is off: {twin.name} decides for itself, on paper, until it is live again."


def differing(live: Profile, twin: Profile) -> list[str]:
    """Settings in which the twin is not like its live profile any more: they colour every comparison."""
    return [name for name in _shared() if getattr(live, name) != getattr(twin, name)]


def _shared() -> list[str]:
    return [field.attname for field in Profile._meta.concrete_fields if field.name not in OWN]
