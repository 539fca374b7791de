"""The one door through which triage leaves a position: trading's exit path."""

from __future__ import annotations


def ask(position_id: int, *, actor: str, reason: str) -> None:
    """Ask trading to exit the position; it stores the intent and does the work. ``reason`` in words."""
    from trading.exits import request_exit

    request_exit(position_id=position_id, actor=actor, reason=reason[:300], source="triage")
