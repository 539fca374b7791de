"""Exits on a person's word: of one position or a part of it, and the withdrawal of one that is under way."""

from __future__ import annotations

from typing import Any

from django.http import Http404

from kalbot.common.errors import KalbotError
from kalbot.common.units import PPM
from kalbot.console.dialogs import exit_form
from kalbot.console.dialogs.dialog import Briefing, Dialog, ReasonForm, version_of
from kalbot.console.dialogs.exit_form import ExitForm
from kalbot.console.ui import formats
from kalbot.console.ui.links import page_url
from markets import exchange_hours
from strategies.models import Mode, Profile
from trading.closing import exit_many, exit_preview, exit_prices, exits
from trading.closing.exit_counts import Counts
from trading.closing.exit_preview import ExitPreview
from trading.models import ExitRequest, Position, PositionStatus
from trading.safety import halt


class ForceExit(Dialog):
    """Shows legs, bids, expected proceeds and loss; requests the exit; the position's page follows it to its end."""

    name = "force_exit"
    title = "Force exit"
    submit = "Exit this position"
    permission_required = "console.force_exit"
    form_class = ExitForm

    def initial(self, pk: str) -> dict[str, Any]:
        position = Position.objects.filter(pk=int(pk) if str(pk).isdigit() else 0).first()
        if position is None:
            return {}
        preview = exit_preview.preview(position, self.wanted(position))
        proposed = {} if preview.unpriced is not None else exit_prices.within_tolerance(preview.quoted())
        lines = [exit_form.price_line(*one) for one in proposed.items()]
        return exit_form.start(self.request.GET, "\n".join(lines))

    def wanted(self, position: Position) -> Counts | None:
        """What the form that is filled in says is sold; everything while it says nothing that can be read."""
        form = ExitForm(self.request.POST if self.request.method == "POST" else self.request.GET)
        form.full_clean()
        counts, share = form.cleaned_data.get("counts"), form.cleaned_data.get("share") or PPM
        return counts if counts is not None else exit_many.part_of(position, share)

    def brief(self, pk: str) -> Briefing:
        position = _position(pk)
        preview, under_way = exit_preview.preview(position, self.wanted(position)), exits.open_request(position)
        return Briefing(
            target=f"position {position} of {position.profile} ({position.mode})",
            url=page_url("trading.position", position.pk),
            sentences=sentences(position, preview),
            numbers=numbers(preview),
            template="console/exit_legs.html",
            context={"preview": preview},
            refusal=refusal(position),
            version=f"{version_of(_held(position))}|{under_way.pk if under_way is not None else ''}",
        )

    def is_outdated(self, form: ReasonForm, briefing: Briefing) -> bool:
        """A part is of what was held when it was chosen; all of it is all, whatever was sold or filled in between."""
        is_all = not form.cleaned_data.get("counts") and form.cleaned_data.get("share", PPM) >= PPM
        if is_all and form.cleaned_data["version"].partition("|")[2] == briefing.version.partition("|")[2]:
            return False
        return super().is_outdated(form, briefing)

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        if not isinstance(form, ExitForm):
            raise KalbotError("this dialog has a form of its own")
        counts = self.wanted(_position(pk))
        if counts is not None and not counts:
            raise KalbotError("This share is less than one step of the profile's sizes; write a larger one.")
        try:
            made = exits.request_exit(
                position_id=int(pk),
                actor=actor,
                reason=reason,
                least_prices=form.cleaned_data["least_prices"],
                counts=counts,
                below_floor=form.cleaned_data["below_floor"],
                by_rest=form.cleaned_data["by_rest"],
            )
        except exits.CannotExit as error:
            raise KalbotError(f"{error.code.sentence} {error.detail}".strip()) from error
        if (made.actor, made.reason) != (actor, reason):
            return f"The exit that {made.actor} requested before ({made.reason}) is the same; it goes on as it is."
        what = "a part of " if made.counts else ""
        return on_its_way(f"The exit of {what}position #{pk}", made.position.profile, "this page follows it")


class WithdrawExit(Dialog):
    """Takes an exit back that is under way: what is not sold yet stays."""

    name = "withdraw_exit"
    title = "Withdraw exit"
    submit = "Withdraw the exit"
    variant = "primary"
    permission_required = "console.force_exit"

    def brief(self, pk: str) -> Briefing:
        position = _position(pk)
        under_way = exits.open_request(position)
        words = [
            "What is sold is sold; what is not sold yet stays in the position. Orders that have left are not called back."
        ]
        return Briefing(
            target=f"position {position} of {position.profile} ({position.mode})",
            url=page_url("trading.position", position.pk),
            sentences=words if under_way is None else [under_way_in_words(under_way), *words],
            refusal="" if under_way is not None else "No exit of this position is under way.",
            version=version_of(under_way.pk) if under_way is not None else "",
        )

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        if not exits.withdraw(int(pk), actor=actor, reason=reason):
            raise KalbotError("No exit of this position is under way.")
        return f"The exit of position #{pk} is withdrawn."


def _position(pk: str) -> Position:
    rows = Position.objects.select_related("profile", "decision", "event", "event__series")
    position = rows.filter(pk=int(pk) if str(pk).isdigit() else 0).first()
    if position is None:
        raise Http404
    return position


def _held(position: Position) -> list[tuple[int, int]]:
    """What each leg holds, in 1/100 contract."""
    return [(leg.pk, leg.held) for leg in position.legs.order_by("pk")]


def is_shut(position: Position) -> bool:
    """Whether the exchange, as last read, takes no orders where this position's markets trade."""
    found = exchange_hours.obstacle(position.event.exchange_index, is_live=position.mode == Mode.LIVE)
    return found is not None and found.why == exchange_hours.Closed.PAUSED


def on_its_way(what: str, profile: Profile, then: str) -> str:
    """That an exit was requested, and what holds it up if anything does: what waits is not on its way."""
    waits = halt.exit_waits(profile)
    return f"{what} is requested. {waits}" if waits else f"{what} is on its way; {then}."


def refusal(position: Position) -> str:
    """Why this position cannot be exited now, or empty text. The rule is trading's own."""
    found = exits.why_not(position)
    return "" if found is None else f"{found.code.sentence} ({found.detail})"


def under_way_in_words(request: ExitRequest) -> str:
    """An exit that was requested before."""
    what = "a part of it" if request.counts else "everything"
    return f"An exit of {what} is under way: {request.actor} requested it {formats.ago(request.created_at)} ({request.reason})."


def numbers(preview: ExitPreview) -> list[tuple[str, str]]:
    """The sums of an exit, and of a part what stays. Prices that cannot be relied on make no proceeds, as on the page of open positions."""
    is_priced = preview.unpriced is None
    found = [
        ("Expected proceeds", formats.money(preview.proceeds if is_priced else None)),
        ("Paid for it", formats.money(preview.cost)),
        ("Expected result", formats.gain(preview.profit if is_priced else None)),
        ("If held, at least", formats.money(preview.floor)),
    ]
    if preview.left is not None:
        found += [
            ("Whole baskets that stay", formats.count(preview.left.matched)),
            ("They cost", formats.money(preview.left.cost)),
            ("They pay at least", formats.money(preview.left.floor)),
            ("They are", preview.left.grade.label),
        ]
    return found


def sentences(position: Position, preview: ExitPreview) -> list[str]:
    """What a person should know before confirming."""
    what = "everything" if preview.left is None else "a part of what"
    where = f"“{position.event.title}” ({position.event_id})" if position.event.title else position.event_id
    words = [f"Sells {what} {position.profile} holds in {where} at the bids, immediately or as they come."]
    under_way = exits.open_request(position)
    if under_way is not None:
        words.append(f"{under_way_in_words(under_way)} What you confirm here takes its place where it differs.")
    if waits := halt.exit_waits(position.profile):
        words.append(waits)
    if is_shut(position):
        words.append("The exchange takes no orders now: this exit goes on when it does.")
    if position.status == PositionStatus.QUOTING:
        words.append(
            "Its quotes are withdrawn first. What fills until then is sold too, for at least what it costs less the usual tolerance."
        )
    short = [str(one.leg) for one in preview.legs if one.unsellable]
    if short:
        words.append(f"No bid now for {', '.join(short)}: that part stays until there is one or the market settles.")
    if len(preview.legs) > 1:
        words.append(
            "Once some legs are sold it goes on for the others, however long nobody bids their least prices; withdraw it to keep them."
        )
    if preview.naked:
        legs = ", ".join(map(str, preview.naked))
        words.append(f"Afterwards {legs} would hold contracts without their basket; nothing unwinds them by itself.")
    if preview.floor > preview.proceeds:
        words.append(
            "Held to settlement this basket pays more in every listed state than the sale brings. It is sold for less only if you say "
            "below why you accept that."
        )
    if preview.unpriced is not None:
        words.append(
            f"The live books cannot be relied on now; the exit waits for good ones. {preview.unpriced.sentence}"
        )
    return words
