"""Contract terms that lost their approval or their force, with the open positions that rest on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from kalbot.console.notify.drafts import Draft
from kalbot.console.notify.models import EventKind, Severity
from kalbot.console.ui.links import page_url
from markets.models import ContractTerms, TermsChange
from trading import selectors
from trading.models import Position


def demotions(since: datetime) -> Iterator[tuple[datetime, Draft]]:
    """Every demotion, urgent where live positions rest on the terms."""
    rows = TermsChange.objects.filter(kind__in=TermsChange.DEMOTIONS, at__gt=since).order_by("at", "pk")
    for row in rows.select_related("terms").iterator():
        held = selectors.resting_on(row.terms)
        live = any(position.mode == "live" for position in held)
        yield (
            row.at,
            Draft(
                kind=EventKind.TERMS,
                key=f"terms change:{row.pk}",
                title=f"Contract terms {row.terms.title or row.terms.url}: {row.get_kind_display()}",
                body=f"{row.detail}\n{_words(held)}",
                severity=Severity.URGENT if live else None,
                path=page_url("markets.contractterms", row.terms_id),
            ),
        )


def on_them(terms: ContractTerms) -> str:
    """The open positions that rest on the terms, in one sentence."""
    return _words(selectors.resting_on(terms))


def _words(held: Iterable[Position]) -> str:
    who = ", ".join(f"#{one.pk} of {one.profile.name} ({one.mode})" for one in held)
    return f"Open positions that rest on them: {who or 'none'}."
