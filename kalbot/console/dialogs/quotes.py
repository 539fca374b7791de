"""Quotes withdrawn on a person's word: nothing of the basket rests any more, what it holds stays."""

from __future__ import annotations

from django.http import Http404

from kalbot.common.errors import KalbotError
from kalbot.common.wording import many
from kalbot.console.dialogs.dialog import Briefing, Dialog, ReasonForm
from kalbot.console.ui import formats
from kalbot.console.ui.links import page_url
from strategies.models import Profile
from trading.closing import exits
from trading.denials import DenialCode
from trading.models import Order, OrderStatus, Position


class WithdrawQuote(Dialog):
    """Shows what rests and what is held; the next step of the position cancels its quotes for good."""

    name = "withdraw_quote"
    title = "Withdraw quotes"
    submit = "Withdraw its quotes"
    variant = "primary"
    permission_required = "console.force_exit"

    def brief(self, pk: str) -> Briefing:
        position = Position.objects.select_related("profile").filter(pk=int(pk) if str(pk).isdigit() else 0).first()
        if position is None:
            raise Http404
        return Briefing(
            target=f"position {position} of {position.profile} ({position.mode})",
            url=page_url("trading.position", position.pk),
            sentences=_sentences(position),
            refusal=_refusal(position),
        )

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        try:
            exits.withdraw_quote(int(pk), actor=actor, reason=reason)
        except exits.CannotExit as error:
            raise KalbotError(f"{error.code.sentence} {error.detail}".strip()) from error
        return f"The quotes of position #{pk} are being withdrawn; this page follows them."


def _refusal(position: Position) -> str:
    if not position.quoting or position.status not in exits.QUOTED:
        return DenialCode.NOT_QUOTED.sentence
    return f"Withdrawn already by {position.quote_withdrawn}" if position.quote_withdrawn else ""


def _sentences(position: Position) -> list[str]:
    resting = Order.objects.filter(position=position, purpose=Order.Purpose.QUOTE, status=OrderStatus.RESTING)
    words = [
        f"{many(len(resting), 'order')} of it at rest: cancelled at once, and what was filled meanwhile is read back."
    ]
    if position.cost:
        words.append(f"It holds contracts that cost {formats.money(position.cost)}; whole baskets are kept.")
    if position.profile.orphans == Profile.Orphans.HOLD:
        words.append(
            "What filled without the rest of its basket is held until it settles; exit the position to sell it."
        )
    else:
        words.append("What filled without the rest of its basket is completed where that pays, else sold.")
    return words
