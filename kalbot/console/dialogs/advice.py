"""Answering triage: accept a recommendation (which asks for the exit), dismiss it, or keep triage from exiting a position by itself."""

from __future__ import annotations

from django.shortcuts import get_object_or_404

from kalbot.common.errors import KalbotError
from kalbot.console.dialogs.dialog import Briefing, Dialog, ReasonForm, version_of
from kalbot.console.dialogs.exits import on_its_way
from kalbot.console.ui import formats
from kalbot.console.ui.links import page_url
from trading.closing import exits
from trading.models import ACTIVE, Position
from trading.safety import halt
from triage import advice as triage
from triage import policy
from triage.models import Advice, Recommendation


class Answer(Dialog):
    """What accepting and dismissing share."""

    permission_required = "console.answer_triage"

    def brief(self, pk: str) -> Briefing:
        advice = get_object_or_404(Recommendation.objects.select_related("position__profile"), pk=pk)
        return Briefing(
            target=f"{advice}",
            url=page_url("trading.position", advice.position_id),
            sentences=self.sentences(advice),
            numbers=[
                ("Advice", advice.get_advice_display()),
                ("Gain of selling now", formats.gain(advice.gain)),
                ("Stands since", formats.ago(advice.opened_at)),
            ],
            refusal=self.refusal(advice),
            version=version_of(advice.status, advice.advice, advice.detail),
        )

    def sentences(self, advice: Recommendation) -> list[str]:
        """What a person should know before answering."""
        return [advice.detail]

    def refusal(self, advice: Recommendation) -> str:
        """Why it cannot be answered, "" if it can."""
        return (
            ""
            if advice.status == Recommendation.Status.OPEN
            else f"This advice is closed: {advice.get_status_display()}."
        )


class AcceptAdvice(Answer):
    """Accepting requests the exit."""

    name = "accept_advice"
    title = "Accept advice and exit"
    submit = "Accept and exit"

    def refusal(self, advice: Recommendation) -> str:
        closed = super().refusal(advice)
        if closed:
            return closed
        if advice.advice != Advice.EXIT:
            return "This advice is to watch, not to exit. To leave all the same, use the position's own exit."
        found = exits.why_not(advice.position)
        return "" if found is None else f"{found.code.sentence} ({found.detail})"

    def sentences(self, advice: Recommendation) -> list[str]:
        """An exit that a halt will hold is no exit yet."""
        waits = halt.exit_waits(advice.position.profile)
        return [*super().sentences(advice), *([waits] if waits else ())]

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        advice = get_object_or_404(Recommendation.objects.select_related("position__profile"), pk=pk)
        try:
            done = triage.accept(advice.pk, actor=actor, reason=f"accepted advice: {reason}")
        except ValueError as error:
            raise KalbotError(str(error)) from error
        if not done:
            raise KalbotError("This advice was closed in the meantime.")
        what = f"Accepted; the exit of position #{advice.position_id}"
        return on_its_way(what, advice.position.profile, "its page follows it")


class DismissAdvice(Answer):
    """Dismissing leaves the position as it is; the reason is kept and scored after settlement."""

    name = "dismiss_advice"
    title = "Dismiss advice"
    submit = "Dismiss"
    variant = "default"

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        if not triage.dismiss(int(pk), actor=actor, reason=reason):
            raise KalbotError("This advice was closed in the meantime.")
        return "Dismissed; the position stays as it is."


class OptOut(Dialog):
    """A switch on one position: may the profile's triage policy exit it, or may triage only advise?"""

    name = "triage_opt_out"
    title = "Triage and this position"
    submit = "Change it"
    variant = "default"
    permission_required = "console.answer_triage"

    def brief(self, pk: str) -> Briefing:
        position = get_object_or_404(Position.objects.select_related("profile"), pk=pk)
        sentences = {
            True: "From now on the profile's policy decides again whether advice may exit this position.",
            False: "From now on triage advises on this position and never exits it by itself, whatever the profile allows.",
        }
        return Briefing(
            target=f"position #{position.pk}",
            url=page_url("trading.position", position.pk),
            sentences=[sentences[position.triage_opt_out]],
            numbers=[("Policy of the profile", position.profile.get_triage_policy_display())],
            refusal="" if position.status in ACTIVE else f"The position is {position.get_status_display()}.",
            version=version_of(position.triage_opt_out, position.profile.triage_policy),
        )

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        out = not get_object_or_404(Position, pk=pk).triage_opt_out
        if not policy.set_opt_out(int(pk), out=out, actor=actor, reason=reason):
            raise KalbotError("The position has ended, or somebody was faster.")
        return "Triage only advises on this position." if out else "The profile's policy decides again."
