"""Who trades on an account and so meets what others of it bid and buy: live profiles. On paper each has an exchange of its own.

A replay sends nothing, so its profiles are on paper; those that stand for live ones of an account have its ``subaccount``, which the
form of a profile gives to live ones alone, and meet one another as those did."""

from __future__ import annotations

from typing import Any

from strategies.models import Mode, Profile


def shares(profile: Profile) -> bool:
    """Whether others may trade on the profile's account."""
    return profile.mode == Mode.LIVE or profile.subaccount is not None


def beside(mode: str, path: str = "") -> dict[str, Any]:
    """Conditions on rows with a mode and a profile, to which ``path`` leads: those of profiles that share."""
    found: dict[str, Any] = {f"{path}mode": mode}
    return found if mode == Mode.LIVE else {**found, f"{path}profile__subaccount__isnull": False}
