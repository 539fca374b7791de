"""Which registered terms hold for a series now, on the exchange that we are connected to.

The newest approved version counts as approved only if the series still points to its document and the document could be fetched not too
long ago. Anything less counts as a proposal: it adds settlement states and no certainty.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings

from kalbot.common.clock import now
from markets.connect import environment
from markets.kalshi.environment import DEMO, PROD, Environment
from markets.models import ContractTerms, Series
from markets.terms.reading.text import address_of
from markets.terms.registry.entry import NoDataRule, RegisteredTerms

log = logging.getLogger(__name__)
Exchange, Status = ContractTerms.Exchange, ContractTerms.Status


class Held(NamedTuple):
    """Registered terms and the row that they come from."""

    pk: int
    terms: RegisteredTerms


def exchange_of(where: Environment) -> str:
    """Whose entries are valid there; "" = nobody's."""
    if where in (PROD, DEMO):
        return Exchange.KALSHI
    return Exchange.SIMULATOR if where.name == "local" else ""


def document_key(url: str, where: Environment) -> str:
    """How an entry names the document at ``url``: its address; of the simulator's own documents the path. "" = of no entry."""
    if exchange_of(where) != Exchange.SIMULATOR:
        return url
    at = address_of(url)
    return at.path if at.netloc == urlsplit(where.rest_url).netloc else ""


def document_url(entry: ContractTerms, where: Environment) -> str:
    """Where the document of an entry is fetched from."""
    if entry.exchange != Exchange.SIMULATOR:
        return entry.url
    at = urlsplit(where.rest_url)
    return f"{at.scheme}://{at.netloc}{entry.url}"


def terms_of(series: Iterable[str]) -> dict[str, Held]:
    """Series -> what is registered for it on this exchange; series without an entry are absent."""
    where = environment()
    urls = dict(Series.objects.filter(pk__in=list(series)).values_list("pk", "contract_terms_url"))
    rows = list(
        ContractTerms.objects.filter(exchange=exchange_of(where)).exclude(status=Status.REPLACED).order_by("version")
    )
    moment = now()
    found = {}
    rows = [row for row in rows if _is_readable(row)]
    for ticker, url in urls.items():
        entry = entry_for(ticker, document_key(url, where) if url else "", rows)
        if entry is not None:
            found[ticker] = Held(
                entry.pk, as_terms(entry, same_document=bool(url) and entry.url == document_key(url, where), at=moment)
            )
    return found


def _is_readable(entry: ContractTerms) -> bool:
    """Whether its lists are lists of texts. One that is not counts as none: what it says cannot be relied on, and others still do."""
    lists = (entry.series_tickers, entry.must_contain, entry.must_not_contain, entry.family_forms, entry.levels_before)
    odd = [one for one in lists if not isinstance(one, list) or any(not isinstance(t, str) for t in one)]
    if odd:
        log.error("the entry of %s cannot be read, so it counts for nothing: %r", entry.url, odd[0])
    return not odd


def entry_for(ticker: str, key: str, rows: list[ContractTerms]) -> ContractTerms | None:
    """The entry of the document that the series has; failing that, one that names the series."""
    mine = [row for row in rows if row.url == key and (not row.series_tickers or ticker in row.series_tickers)]
    mine = mine or [row for row in rows if ticker in row.series_tickers]
    approved = [row for row in mine if row.status == Status.APPROVED]
    candidates = approved or mine
    return candidates[-1] if candidates else None


def as_terms(entry: ContractTerms, *, same_document: bool, at: datetime) -> RegisteredTerms:
    """An entry as the certificate rules want it. ``same_document``: whether the series points to it."""
    approved = entry.status == Status.APPROVED and same_document and not too_long_unreachable(entry, at)
    return RegisteredTerms(
        url=entry.url,
        sha256=entry.approved_sha256,
        approved=approved,
        no_data=_rule(entry.no_data),
        fingerprint=_fingerprint(entry, approved),
        between_inclusive=entry.between_inclusive,
        unit=unit_of(entry.unit),
        must_contain=tuple(entry.must_contain),
        must_not_contain=tuple(entry.must_not_contain),
        common_determination=entry.common_determination,
        forms=tuple(entry.family_forms),
        levels=tuple(entry.levels_before),
    )


def _fingerprint(entry: ContractTerms, approved: bool) -> str:
    """Of the whole entry: what it says as well as where it is from, so that no certificate outlives a word of it."""
    said = [entry.no_data, entry.between_inclusive, entry.unit, entry.must_contain, entry.must_not_contain]
    more = [listed for listed in (entry.family_forms, entry.levels_before) if listed]
    content = json.dumps([*said, entry.common_determination, *more], sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    status = "approved" if approved else "proposed"
    return f"{entry.exchange} {entry.url} v{entry.version} {entry.approved_sha256[:16]} {digest} {status}"


def too_long_unreachable(entry: ContractTerms, at: datetime) -> bool:
    """Whether the document could not be fetched for longer than the settings allow."""
    since = entry.unreachable_since
    return since is not None and at - since > longest_unreachable()


def longest_unreachable() -> timedelta:
    """For how long a document may be out of reach before new baskets no longer count on it."""
    return timedelta(seconds=settings.KALBOT_TERMS_UNREACHABLE_SECONDS)


def unit_of(text: str) -> Decimal | None:
    """The unit that a text states, or None if it is none: a number above zero."""
    try:
        unit = Decimal(text)
    except InvalidOperation:
        return None
    return unit if unit.is_finite() and unit > 0 else None


def _rule(stored: str) -> NoDataRule:
    try:
        return NoDataRule(stored)
    except ValueError:
        return NoDataRule.UNKNOWN
