"""The exchange's file of a tax year laid beside our live rows, for the page and the command line; that it was done is kept."""

from __future__ import annotations

from kalbot.console.auth import audit
from kalbot.console.exports import compare, rows
from kalbot.console.exports.history import Scope
from kalbot.console.exports.kept import Kept
from strategies.models import Mode


def check(content: bytes, year: int, *, actor: str, reason: str = "") -> compare.Comparison:
    """Compare and record it in the audit log. Raises NotTheForm for the file, DoesNotAddUp for our own rows."""
    theirs, skipped = compare.read(content)
    scope = Scope.of_tax_year(None, Mode.LIVE, year)
    found = compare.compare(Kept(rows.exchange_lines(scope)), theirs, scope)
    found.skipped = skipped
    audit.record(
        "compare_transactions",
        actor=actor,
        reason=reason or "compared with the exchange's file",
        target=f"transactions of {year}",
        result=found.sentence,
    )
    return found
