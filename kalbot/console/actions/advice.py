"""Answering triage: accept a recommendation (which asks for the exit) or dismiss it."""

from __future__ import annotations

from django.shortcuts import get_object_or_404

from kalbot.common import clock
from kalbot.common.errors import KalbotError
from kalbot.console import desk, formats
from kalbot.console.actions.dialog import Briefing, Dialog, ReasonForm
from kalbot.console.links import page_url
from triage.models import Recommendation


class Answer(Dialog):
    """What accepting and dismissing share."""

    permission_required = "console.answer_triage"
    status: Recommendation.Status

    def brief(self, pk: str) -> Briefing:
        advice = get_object_or_404(Recommendation.objects.select_related("position__profile"), pk=pk)
        return Briefing(
            target=f"{advice}",
            url=page_url("trading.position", advice.position_id),
            sentences=[advice.detail],
            numbers=[("Advice", advice.get_advice_display()), ("Gain of selling now", formats.gain(advice.gain)),
                     ("Stands since", formats.ago(advice.opened_at))],
            refusal="" if advice.status == Recommendation.Status.OPEN else f"This advice is closed: {advice.get_status_display()}.",
        )  # fmt: skip

    def close(self, pk: str, actor: str, reason: str) -> None:
        """Close the open recommendation; raises KalbotError when somebody was faster."""
        done = Recommendation.objects.filter(pk=pk, status=Recommendation.Status.OPEN).update(
            status=self.status, actor=actor, actor_reason=reason, closed_at=clock.now()
        )
        if not done:
            raise KalbotError("This advice was closed in the meantime.")


class AcceptAdvice(Answer):
    """Accepting is asking for the exit."""

    name = "accept_advice"
    title = "Accept advice and exit"
    submit = "Accept and exit"
    status = Recommendation.Status.ACCEPTED

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        advice = get_object_or_404(Recommendation, pk=pk)
        desk.request_exit(position_id=advice.position_id, actor=actor, reason=f"accepted advice: {reason}"[:300])
        self.close(pk, actor, reason)
        return f"Accepted; the exit of position #{advice.position_id} is on its way."


class DismissAdvice(Answer):
    """Dismissing leaves the position as it is; the reason is kept and scored after settlement."""

    name = "dismiss_advice"
    title = "Dismiss advice"
    submit = "Dismiss"
    variant = "default"
    status = Recommendation.Status.DISMISSED

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        self.close(pk, actor, reason)
        return "Dismissed; the position stays as it is."
