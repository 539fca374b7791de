"""Force exit: sell what a position holds through the real bids, on a person's word."""

from __future__ import annotations

from django.http import Http404

from kalbot.console.dialogs.dialog import Briefing, Dialog, ReasonForm
from kalbot.console.ui import formats
from kalbot.console.ui.links import page_url
from trading import exits
from trading.models import Position
from trading.safety import halt


class ForceExit(Dialog):
    """Shows legs, bids, expected proceeds and loss; asks trading for the exit; the position's page follows it to its end."""

    name = "force_exit"
    title = "Force exit"
    submit = "Exit this position"
    permission_required = "console.force_exit"

    def brief(self, pk: str) -> Briefing:
        position = (
            Position.objects.select_related("profile", "event").filter(pk=int(pk) if str(pk).isdigit() else 0).first()
        )
        if position is None:
            raise Http404
        preview = exits.preview(position)
        return Briefing(
            target=f"position {position} of {position.profile} ({position.mode})",
            url=page_url("trading.position", position.pk),
            sentences=sentences(position, preview),
            numbers=[
                ("Expected proceeds", formats.money(preview.proceeds)),
                ("Paid for it", formats.money(position.cost)),
                ("Expected result", formats.gain(preview.profit)),
                ("If held, at least", formats.money(position.floor)),
            ],
            template="console/exit_legs.html",
            context={"preview": preview},
            refusal=refusal(position),
        )

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        exits.request_exit(position_id=int(pk), actor=actor, reason=reason)
        return f"The exit of position #{pk} is on its way; this page follows it."


def refusal(position: Position) -> str:
    """Why this position cannot be exited now, or empty text. The rule is trading's own."""
    found = exits.why_not(position)
    return "" if found is None else f"{found.code.sentence} ({found.detail})"


def sentences(position: Position, preview: exits.ExitPreview) -> list[str]:
    """What a person should know before confirming."""
    words = [
        f"Sells everything {position.profile} holds in {position.event_id} at the bids, immediately or as they come."
    ]
    if halt.current(position.profile) == halt.State.HALTED:
        words.append(
            "Trading is halted, so only cancels are sent: this exit waits until a risk manager resumes or reduces."
        )
    short = [str(one.leg) for one in preview.legs if one.unsellable]
    if short:
        words.append(f"No bid now for {', '.join(short)}: that part stays until there is one or the market settles.")
    if position.guaranteed and preview.profit < position.floor - position.cost:
        words.append("Held to settlement this basket is guaranteed to pay more than it cost; exiting gives that up.")
    if preview.unpriced is not None:
        words.append(
            f"The live books cannot be relied on now; the exit waits for good ones. {preview.unpriced.sentence}"
        )
    return words
