"""A notification before it is stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from kalbot.console.notify.models import EventKind, Notification, Severity

LONGEST_KEY: Final = 200
SEVERITIES: Final[dict[EventKind, Severity]] = {
    EventKind.OPENED: Severity.INFO,
    EventKind.CLOSED: Severity.INFO,
    EventKind.ABORTED: Severity.INFO,
    EventKind.UNWINDING: Severity.WARNING,
    EventKind.RESIDUAL: Severity.URGENT,
    EventKind.EXIT_WANTED: Severity.WARNING,
    EventKind.EXIT_REQUESTED: Severity.INFO,
    EventKind.DISCREPANCY: Severity.URGENT,
    EventKind.TRADING_STATE: Severity.URGENT,
    EventKind.LOCK: Severity.WARNING,
    EventKind.PART_DOWN: Severity.URGENT,
    EventKind.PART_BACK: Severity.WARNING,
    EventKind.CERTIFICATE: Severity.URGENT,
    EventKind.TERMS: Severity.WARNING,
    EventKind.KEY: Severity.WARNING,
    EventKind.SUMMARY: Severity.INFO,
    EventKind.TEST: Severity.URGENT,
}
"""The severity of each kind in live trading. On paper money nothing about a position is urgent."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One thing to say. ``severity`` None takes the kind's own."""

    kind: EventKind
    key: str
    title: str
    body: str = ""
    severity: Severity | None = None
    profile_id: int | None = None
    mode: str = ""
    path: str = ""

    def weighed(self) -> Severity:
        """The severity that counts: what happens on paper is at most a warning."""
        found = self.severity or SEVERITIES[self.kind]
        return min(found, Severity.WARNING) if self.mode == "sim" else found


def store(drafts: Iterable[Draft]) -> int:
    """Keep the new ones; returns how many were new."""
    rows = [
        Notification(
            kind=draft.kind,
            severity=draft.weighed(),
            key=_key(draft.key),
            title=draft.title[:160],
            body=draft.body,
            profile_id=draft.profile_id,
            mode=draft.mode,
            path=draft.path if len(draft.path) <= LONGEST_KEY else "",
        )
        for draft in drafts
    ]
    known = set(Notification.objects.filter(key__in=[row.key for row in rows]).values_list("key", flat=True))
    fresh = {row.key: row for row in rows if row.key not in known}
    Notification.objects.bulk_create(fresh.values(), ignore_conflicts=True)
    return len(fresh)


def _key(key: str) -> str:
    """A key that fits: what is cut off a long one goes on as a hash, so that two that begin alike stay two."""
    if len(key) <= LONGEST_KEY:
        return key
    return f"{key[: LONGEST_KEY - 17]}:{hashlib.sha256(key.encode()).hexdigest()[:16]}"
