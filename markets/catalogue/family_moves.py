"""Families whose members moved: another close, expiry, shard or listing of one of them ends the certificate at once, not at the next
complete scan. The hash of a member's rules does not say when and where it is settled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from kalbot.common import clock
from kalbot.common.db.batches import batched
from markets.catalogue.families import digest_of
from markets.catalogue.family_rows import listed
from markets.models import Certificate, FamilyMember
from markets.terms.registry.entries import terms_of

BATCH = 500
REASON = "A close, expiry or shard of one of its events changed."


def end_moved(changed: Iterable[str]) -> int:
    """End the certificates of the families of these events that are not what they were given for any more; the next scan judges them
    again. Returns how many. To be called in the transaction that changed the events, after their own certificates."""
    return sum(_end_moved(list(batch)) for batch in batched(sorted(set(changed)), BATCH))


def _end_moved(changed: list[str]) -> int:
    of_changed = FamilyMember.objects.filter(event__in=changed).values("family")
    granted = Certificate.objects.filter(event__in=of_changed, status=Certificate.Status.GRANTED)
    hashes = dict(granted.values_list("event_id", "rules_hash"))
    if not hashes:
        return 0
    members: dict[str, list[str]] = defaultdict(list)
    for family, event in FamilyMember.objects.filter(family__in=hashes).values_list("family_id", "event_id"):
        members[family].append(event)
    rows = {one.ticker: one for one in listed({event for events in members.values() for event in events})}
    registered = terms_of({one.series for one in rows.values()})
    moved = []
    for family, given_for in hashes.items():
        now = [rows[event] for event in members[family] if event in rows]
        held = registered.get(now[0].series) if now else None
        if held is None or len(now) < len(members[family]) or digest_of(now, held.terms.fingerprint) != given_for:
            moved.append(family)
    if not moved:
        return 0
    ended = Certificate.objects.filter(event__in=moved, status=Certificate.Status.GRANTED)
    return ended.update(status=Certificate.Status.VOID, ended_at=clock.now(), reason=REASON)
