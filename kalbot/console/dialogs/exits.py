"""Force exit: sell what a position holds through the real bids, on a person's word."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.http import Http404
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from kalbot.common.errors import KalbotError
from kalbot.common.units import UnitError, parse_price
from kalbot.console.dialogs.dialog import Briefing, Dialog, ReasonForm
from kalbot.console.ui import formats
from kalbot.console.ui.links import page_url
from trading.closing import exit_preview, exit_prices, exits
from trading.closing.exit_prices import LeastPrices, LegKey
from trading.models import Position
from trading.safety import halt

LINE = re.compile(r"(yes|no)\s+(\S+)\s+\$?([0-9.]+)", re.IGNORECASE)


class ExitForm(ReasonForm):
    """What the person accepts: the least price of each leg, and in words less than a guaranteed basket is sure to pay."""

    least_prices = forms.CharField(
        label="Sell each leg at this price or better (side, market, dollars; one a line)",
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
    )
    below_floor = forms.CharField(
        label="Only for a guaranteed basket: why less than it is sure to pay is accepted",
        required=False,
        max_length=300,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    by_rest = forms.BooleanField(
        label="Where there is no live book, sell by the REST interface's (it may be some seconds old)", required=False
    )

    def clean_least_prices(self) -> LeastPrices | None:
        """The prices by leg; None when the field is empty: then the bids less the tolerance count."""
        text = self.cleaned_data["least_prices"].strip()
        if not text:
            return None
        found: dict[LegKey, int] = {}
        for line in text.splitlines():
            match = LINE.fullmatch(line.strip())
            if match is None:
                raise forms.ValidationError(f"This line is not a leg and a price: {line.strip()}")
            try:
                found[match[2], match[1].lower()] = parse_price(match[3])
            except UnitError as error:
                raise forms.ValidationError(f"{match[3]} is not a price: {error}.") from None
        return found


class ForceExit(Dialog):
    """Shows legs, bids, expected proceeds and loss; asks trading for the exit; the position's page follows it to its end."""

    name = "force_exit"
    title = "Force exit"
    submit = "Exit this position"
    permission_required = "console.force_exit"
    form_class = ExitForm

    def initial(self, pk: str) -> dict[str, Any]:
        position = Position.objects.filter(pk=int(pk) if str(pk).isdigit() else 0).first()
        if position is None:
            return {}
        preview = exit_preview.preview(position)
        if preview.unpriced is not None:
            return {}
        proposed = exit_prices.within_tolerance(preview.quoted())
        lines = [f"{side.upper()} {ticker} {price / 10_000:.4f}" for (ticker, side), price in proposed.items()]
        return {"least_prices": "\n".join(lines)}

    def brief(self, pk: str) -> Briefing:
        position = (
            Position.objects.select_related("profile", "event").filter(pk=int(pk) if str(pk).isdigit() else 0).first()
        )
        if position is None:
            raise Http404
        preview = exit_preview.preview(position)
        return Briefing(
            target=f"position {position} of {position.profile} ({position.mode})",
            url=page_url("trading.position", position.pk),
            sentences=sentences(position, preview),
            numbers=[
                ("Expected proceeds", formats.money(preview.proceeds)),
                ("Paid for it", formats.money(position.cost)),
                ("Expected result", formats.gain(preview.profit)),
                ("If held, at least", formats.money(preview.floor)),
            ],
            template="console/exit_legs.html",
            context={"preview": preview},
            refusal=refusal(position),
        )

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        if not isinstance(form, ExitForm):
            raise KalbotError("this dialog asks for prices")
        try:
            exits.request_exit(
                position_id=int(pk),
                actor=actor,
                reason=reason,
                least_prices=form.cleaned_data["least_prices"],
                below_floor=form.cleaned_data["below_floor"],
                by_rest=form.cleaned_data["by_rest"],
            )
        except exits.CannotExit as error:
            raise KalbotError(f"{error.code.sentence} {error.detail}".strip()) from error
        return f"The exit of position #{pk} is on its way; this page follows it."


def refusal(position: Position) -> str:
    """Why this position cannot be exited now, or empty text. The rule is trading's own."""
    found = exits.why_not(position)
    return "" if found is None else f"{found.code.sentence} ({found.detail})"


def sentences(position: Position, preview: exit_preview.ExitPreview) -> list[str]:
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
    if preview.floor > preview.proceeds:
        words.append(
            "Held to settlement this basket is guaranteed to pay more than the sale brings. It is sold for less only if you say "
            "below why you accept that."
        )
    if preview.unpriced is not None:
        words.append(
            f"The live books cannot be relied on now; the exit waits for good ones. {preview.unpriced.sentence}"
        )
    return words
