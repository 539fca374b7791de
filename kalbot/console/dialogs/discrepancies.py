"""Ending a difference with the exchange: what its kind allows, by a risk manager, with a reason."""

from __future__ import annotations

from django.shortcuts import get_object_or_404

from kalbot.console.dialogs.dialog import Briefing, Dialog, ReasonForm, version_of
from kalbot.console.ui import formats, tickers
from kalbot.console.ui.links import page_url
from trading.models import Discrepancy
from trading.safety import resolution


class ResolveDiscrepancy(Dialog):
    """Ends one difference by the action of its kind; the trading state stays as it is until somebody resumes."""

    name = "resolve_discrepancy"
    title = "Resolve discrepancy"
    submit = "Resolve"
    permission_required = "console.resume"

    def brief(self, pk: str) -> Briefing:
        row = get_object_or_404(Discrepancy.objects.select_related("profile"), pk=pk)
        action, market = resolution.action_for(row), tickers.named([row], "key")[0].market_named
        return Briefing(
            target=f"{row.get_code_display()} ({row.key})",
            url=page_url("trading.discrepancy", row.pk),
            sentences=[
                f"{action.title}: {action.sentence}",
                "The trading state stays as it is until somebody resumes.",
            ],
            numbers=[
                *([("About", tickers.title_of(market))] if market is not None else ()),
                ("Ours", row.ours or "–"),
                ("Theirs", row.theirs or "–"),
                ("Profile", str(row.profile or "all of the account")),
                ("First seen", formats.ago(row.first_seen_at)),
                *action.preview(row),
            ],
            refusal="" if row.resolved_at is None else "This difference is not open any more.",
            version=version_of(action.title, row.ours, row.theirs, row.amount),
        )

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        return f"Resolved: {resolution.resolve(int(pk), actor=actor, reason=reason)}."
