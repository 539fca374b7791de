"""Fetching the documents that contract terms rest on, and comparing their hashes."""

from __future__ import annotations

import hashlib
import logging
from typing import Final

import requests
from django.db.models import Q

from kalbot.common.clock import now
from markets.connect import environment
from markets.kalshi.rest.deadline import DeadlineAdapter, within
from markets.models import ContractTerms, TermsChange
from markets.terms.registry import changes
from markets.terms.registry.entries import document_url, exchange_of, longest_unreachable, too_long_unreachable

log = logging.getLogger(__name__)

TIMEOUT_SECONDS: Final = 20
"""For each byte."""
DOCUMENT_SECONDS: Final = 120.0
"""For the whole document with its redirects."""
MOST_BYTES: Final = 30_000_000
Status, Kind = ContractTerms.Status, TermsChange.Kind


class Unreachable(Exception):
    """The document could not be fetched; the message says why."""


def fetch_hash(url: str) -> str:
    """sha256 of the document at ``url``. Raises Unreachable."""
    digest, size = hashlib.sha256(), 0
    try:
        with (
            session() as client,
            within(DOCUMENT_SECONDS),
            client.get(url, timeout=TIMEOUT_SECONDS, stream=True) as answer,
        ):
            if answer.status_code != requests.codes.ok:
                raise Unreachable(f"HTTP {answer.status_code}")
            for chunk in answer.iter_content(65_536):
                size += len(chunk)
                if size > MOST_BYTES:
                    raise Unreachable(f"more than {MOST_BYTES} bytes")
                digest.update(chunk)
    except (requests.RequestException, ValueError) as error:
        raise Unreachable(f"{type(error).__name__}: {error}"[:300]) from None
    if not size:
        raise Unreachable("an empty document")
    return digest.hexdigest()


def session() -> requests.Session:
    """For one document: its answers obey ``within``."""
    client = requests.Session()
    for scheme in ("http://", "https://"):
        client.mount(scheme, DeadlineAdapter())
    return client


def check_all() -> int:
    """Fetch the document of every entry of this exchange that a person approved or may approve. Returns how many were demoted."""
    where = environment()
    entries = ContractTerms.objects.filter(
        Q(status__in=[Status.APPROVED, Status.PROPOSED, Status.DEMOTED]), exchange=exchange_of(where)
    )
    return sum(check(entry, document_url(entry, where)) for entry in entries)


def check(entry: ContractTerms, url: str) -> bool:
    """Fetch one document and note what came. Returns whether the entry lost its approval, or its force, by it."""
    try:
        found = fetch_hash(url)
    except Unreachable as error:
        since = entry.unreachable_since = entry.unreachable_since or now()
        ContractTerms.objects.filter(pk=entry.pk).update(fetch_error=str(error), unreachable_since=since)
        return _out_of_reach(entry, str(error))
    was_away = entry.unreachable_since is not None
    arrived = {"fetched_sha256": found, "fetched_at": now(), "fetch_error": ""}
    if entry.status == Status.APPROVED and found != entry.approved_sha256:
        detail = f"The document's hash is {found}, approved was {entry.approved_sha256}."
        demoted = changes.demote(
            entry, Kind.HASH_CHANGED, detail
        )  # first: as long as it is approved its return would restore it
        ContractTerms.objects.filter(pk=entry.pk).update(**arrived, unreachable_since=None)
        return demoted
    ContractTerms.objects.filter(pk=entry.pk).update(**arrived, unreachable_since=None)
    if was_away and entry.status == Status.APPROVED:
        TermsChange.objects.create(terms=entry, kind=Kind.REACHABLE, detail=url)
        changes.recertify(entry)
    return False


def note_out_of_reach() -> int:
    """A document that nobody has fetched for too long (the periodic task does not run) is out of reach too. Returns how many entries
    lost their force by it."""
    forgotten = ContractTerms.objects.filter(
        Q(fetched_at=None) | Q(fetched_at__lt=now() - longest_unreachable()),
        status=Status.APPROVED,
        exchange=exchange_of(environment()),
        unreachable_since=None,
    )
    lost = 0
    for entry in forgotten:
        entry.unreachable_since = entry.fetched_at or entry.created_at
        forgotten.filter(pk=entry.pk).update(unreachable_since=entry.unreachable_since)
        lost += _out_of_reach(entry, "nobody has fetched it since")
    return lost


def _out_of_reach(entry: ContractTerms, error: str) -> bool:
    """An approved document that stays away too long counts for no new basket; its return restores it. True the first time."""
    if entry.status != Status.APPROVED or not too_long_unreachable(entry, now()):
        return False
    if entry.changes.filter(kind=Kind.UNREACHABLE, at__gte=entry.unreachable_since).exists():
        return False
    TermsChange.objects.create(terms=entry, kind=Kind.UNREACHABLE, detail=f"Since {entry.unreachable_since}: {error}")
    log.warning("contract terms %s cannot be fetched: %s", entry.url, error)
    changes.recertify(entry)
    return True
