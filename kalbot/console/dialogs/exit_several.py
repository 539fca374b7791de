"""Exits of several positions, or of all of one mode or profile: one dialog, one reason, each position for itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from kalbot.common.errors import KalbotError
from kalbot.common.units import PPM
from kalbot.common.wording import many
from kalbot.console.dialogs import exit_form
from kalbot.console.dialogs.dialog import Briefing, Dialog, ReasonForm
from kalbot.console.dialogs.exit_form import ManyForm
from kalbot.console.dialogs.exits import is_shut, refusal
from kalbot.console.pages.positions import open_positions
from kalbot.console.ui import formats
from trading.closing import exit_many, exit_preview, exit_prices
from trading.closing.exit_preview import ExitPreview
from trading.models import Position
from trading.safety import halt

LARGEST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Shown:
    """One position of the dialog: what its exit would bring, or why it cannot be exited."""

    position: Position
    preview: ExitPreview
    refusal: str


def ids_in(text: str) -> list[int]:
    """The ids that a list such as ``7,12`` names; what cannot be one is left out."""
    found = [int(one) for one in text.split(",") if one.strip().isdecimal()]
    return [one for one in found if 0 < one <= LARGEST_ID]


class ExitSeveral(Dialog):
    """Shows each position with what it would bring, and the sum; requests all those exits with one reason."""

    name = "exit_several"
    title = "Exit positions"
    submit = "Exit these positions"
    permission_required = "console.force_exit"
    form_class = ManyForm

    def get(self, request: HttpRequest, pk: str = "") -> HttpResponse:
        if not self.positions(pk):
            raise Http404
        return super().get(request, pk)

    def post(self, request: HttpRequest, pk: str = "") -> HttpResponse:
        if pk and not ids_in(pk):
            raise Http404
        return super().post(request, pk)

    def positions(self, pk: str) -> list[Position]:
        """Those of the address (``7,12``), of the form, or that the page of open positions lists for a mode, a profile and words; none
        for what names none."""
        data = self.request.POST if self.request.method == "POST" else self.request.GET
        named = pk or data.get("positions", "") or ",".join(data.getlist("id"))
        if named:
            return exit_many.chosen(ids_in(named))
        if self.request.method == "POST" or not data.get("mode"):
            return []
        listed = open_positions.matching(data["mode"], data.get("profile", ""), data.get("q", ""))
        return exit_many.chosen(listed.values_list("pk", flat=True))

    def initial(self, pk: str) -> dict[str, Any]:
        shown = self.shown(pk)
        lines = [
            f"#{one.position.pk} {exit_form.price_line(*leg)}"
            for one in shown
            if not one.refusal and one.preview.unpriced is None
            for leg in exit_prices.within_tolerance(one.preview.quoted()).items()
        ]
        return {
            **exit_form.start(self.request.GET, "\n".join(lines)),
            "positions": ",".join(str(one.position.pk) for one in shown),
        }

    def shown(self, pk: str) -> list[Shown]:
        """Every chosen position with its preview, read once a request."""
        kept: list[Shown] | None = getattr(self, "_shown", None)
        if kept is None:
            share = self.share()
            kept = [
                Shown(one, exit_preview.preview(one, exit_many.part_of(one, share)), refusal(one))
                for one in self.positions(pk)[: exit_many.MOST]
            ]
            self._shown = kept
        return kept

    def share(self) -> int:
        """The share that the form says, all while it says none that can be read."""
        form = ManyForm(self.request.POST if self.request.method == "POST" else self.request.GET)
        form.full_clean()
        return form.cleaned_data.get("share") or PPM

    def brief(self, pk: str) -> Briefing:
        shown = self.shown(pk)
        able = [one for one in shown if not one.refusal]
        priced, unpriced = [one.preview for one in able if one.preview.unpriced is None], _unpriced(able)
        together = exit_many.why_not_together(self.positions(pk))
        profiles = sorted({str(one.position.profile) for one in shown})
        mode = " and ".join(sorted({one.position.mode for one in shown})) or "no mode"
        return Briefing(
            target=f"{many(len(shown), 'position')} of {', '.join(profiles) or 'nobody'} ({mode})"[:120],
            url=reverse("admin:open_positions"),
            sentences=sentences(shown),
            numbers=[]
            if together
            else [
                ("Expected proceeds", formats.money(sum(one.proceeds for one in priced) if priced else None)),
                ("Paid for them", formats.money(sum(one.cost for one in priced) if priced else None)),
                ("Expected result", formats.gain(sum(one.profit for one in priced) if priced else None)),
                ("If held, at least", formats.money(sum(one.floor for one in priced) if priced else None)),
                *(
                    [("Not in the sums: no live books", ", ".join(f"#{one.position.pk}" for one in unpriced))]
                    if unpriced
                    else ()
                ),
            ],
            template="console/exit_positions.html",
            context={"shown": shown},
            refusal=together,
        )

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        if not isinstance(form, ManyForm):
            raise KalbotError("this dialog has a form of its own")
        positions = self.positions(pk)
        together = exit_many.why_not_together(positions)
        if together:
            raise KalbotError(together)
        found = exit_many.request(
            positions,
            actor=actor,
            reason=reason,
            share_ppm=form.cleaned_data["share"],
            least_prices=form.cleaned_data["least_prices"],
            below_floor=form.cleaned_data["below_floor"],
            by_rest=form.cleaned_data["by_rest"],
        )
        if not found.requested:
            raise KalbotError(found.sentence)
        return found.sentence


def sentences(shown: list[Shown]) -> list[str]:
    """What a person should know before confirming."""
    words = ["Sells what these positions hold at the bids, immediately or as they come. Each is an exit of its own."]
    able = [one for one in shown if not one.refusal]
    waiting = {profile.pk for profile in {one.position.profile for one in able} if halt.exit_waits(profile)}
    held = [f"#{one.position.pk}" for one in able if one.position.profile_id in waiting]
    if held:
        words.append(
            f"Trading is halted, so only cancels are sent: {', '.join(held)} wait until a risk manager resumes or reduces."
        )
    if shut := [f"#{one.position.pk}" for one in able if is_shut(one.position)]:
        words.append(f"The exchange takes no orders now: {', '.join(shut)} go on when it does.")
    for what, named in (
        ("Cannot be exited now", [one for one in shown if one.refusal]),
        ("Without live books, so refused unless you say the least prices", _unpriced(able)),
        ("Worth more in every listed state if held, so sold for less only if you say below why", _worth_more(able)),
    ):
        if named:
            words.append(f"{what}: {', '.join(f'#{one.position.pk}' for one in named)}.")
    return words


def _unpriced(shown: list[Shown]) -> list[Shown]:
    return [one for one in shown if one.preview.unpriced is not None]


def _worth_more(shown: list[Shown]) -> list[Shown]:
    return [one for one in shown if one.preview.unpriced is None and one.preview.floor > one.preview.proceeds]
