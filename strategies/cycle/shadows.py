"""Paper twins of live profiles: they take the same decisions, so that paper can be compared with live, trade by trade."""

from __future__ import annotations

from typing import Final

from strategies.models import Mode, Profile
from strategies.profiles import validation

OWN: Final = frozenset(
    {"id", "name", "description", "mode", "is_active", "subaccount", "shadow_of", "created_at", "updated_at"}
)


class CannotShadow(ValueError):
    """There is no such twin to be had; the text says why, for a person."""


def make(live: Profile, name: str = "") -> Profile:
    """The active paper twin of ``live``; an existing one is switched on again and brought up to date. CannotShadow otherwise."""
    if live.mode != Mode.LIVE:
        raise CannotShadow(f"{live.name} is not a live profile; only those have paper twins.")
    name = name or f"{live.name}-paper"[:48]
    twin = live.shadows.first() or Profile(name=name, shadow_of=live, description=f"Paper twin of {live.name}.")
    if twin.pk is None and Profile.objects.filter(name=name).exists():
        raise CannotShadow(f"There is a profile {name} already; choose another name.")
    for field in _shared():
        setattr(twin, field, getattr(live, field))
    twin.mode, twin.is_active = Mode.SIM, True
    found = validation.problems(twin)
    if found:
        raise CannotShadow("; ".join(found.values()))
    twin._change_reason = f"paper twin of {live.name}"  # type: ignore[attr-defined]
    twin.save()
    return twin


def stop(live: Profile) -> int:
    """Switch the twins off; their positions are still managed. Returns how many there were."""
    return live.shadows.filter(is_active=True).update(is_active=False)


def differing(live: Profile, twin: Profile) -> list[str]:
    """Settings in which the twin is not like its live profile any more: they colour every comparison."""
    return [name for name in _shared() if getattr(live, name) != getattr(twin, name)]


def _shared() -> list[str]:
    return [field.attname for field in Profile._meta.concrete_fields if field.name not in OWN]
