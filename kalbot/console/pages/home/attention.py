"""What needs a person's attention: the alerts of the landing page."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from kalbot.common import clock
from kalbot.console.models import LogRecord, TaskRecord
from kalbot.console.notify import terms
from kalbot.console.ui import formats, tickers
from kalbot.console.ui.links import page_url
from markets.models import TermsChange
from trading.models import Discrepancy
from triage.models import Recommendation


def alerts() -> dict[str, Any]:
    """What needs attention, worst first: discrepancies, advice to exit, failed tasks, errors and warnings of a day."""
    since = clock.now() - timedelta(days=1)
    found = [
        *(
            _alert(
                "bad",
                f"Contract terms: {c.get_kind_display()}",
                f"{c.detail} {terms.on_them(c.terms)}",
                c.at,
                page_url("markets.contractterms", c.terms_id),
            )
            for c in TermsChange.objects.filter(kind__in=TermsChange.DEMOTIONS, at__gte=since)
            .select_related("terms")
            .order_by("-id")[:3]
        ),
        *(
            _alert(
                "bad",
                f"Discrepancy: {d.code.replace('_', ' ')} ({d.mode})",
                f"{tickers.about(d)}ours {d.ours}, theirs {d.theirs}",
                d.last_seen_at,
                page_url("trading.discrepancy", d.pk),
            )
            for d in tickers.named(list(Discrepancy.objects.filter(resolved_at=None).order_by("-id")[:3]), "key")
        ),
        *(
            _alert(
                "warn",
                f"Triage advises exit of #{r.position_id}",
                r.detail,
                r.opened_at,
                page_url("trading.position", r.position_id),
            )
            for r in Recommendation.objects.filter(status="open", advice="exit").order_by("-id")[:3]
        ),
        *(
            _alert(
                "bad",
                f"Task failed: {t.name}",
                t.error.strip().splitlines()[-1] if t.error.strip() else "",
                t.started_at,
                page_url("console.taskrecord", t.pk),
            )
            for t in TaskRecord.objects.filter(status="failed", started_at__gte=since).order_by("-started_at")[:3]
        ),
        *(
            _alert(
                "bad" if r.level != "WARNING" else "warn",
                f"{r.level.capitalize()} in {r.logger}",
                formats.log_line(r.message)[:200],
                r.at,
                page_url("console.logrecord", r.pk),
            )
            for r in own_records(since)[:4]
        ),
    ]
    return {"alerts": sorted(found, key=lambda a: (a["state"] != "bad", -a["at"].timestamp()))[:10]}


def own_records(since: datetime) -> QuerySet[LogRecord]:
    """Warnings of trading, markets and the rest of ours. What strangers cause (404, CSRF, wrong passwords) stays in the log alone."""
    stranger = Q(logger__startswith="django.") | Q(logger__startswith="axes")
    return LogRecord.objects.filter(at__gte=since).exclude(stranger & Q(level="WARNING")).order_by("-id")


def _alert(state: str, title: str, text: str, at: datetime, url: str) -> dict[str, Any]:
    """One line of the alerts."""
    return {"state": state, "title": title, "text": text, "at": at, "url": url}
