"""Reviewing certificates: a person's word that one of the listed outcomes must win, or that it need not."""

from __future__ import annotations

from django.shortcuts import get_object_or_404

from kalbot.console.dialogs.dialog import Briefing, Dialog, ReasonForm
from kalbot.console.ui.links import page_url
from markets.models import Certificate, Event
from markets.terms import certificates
from markets.terms.grades import Grade
from strategies.models import NearMiss
from trading import premises


class Review(Dialog):
    """What granting and revoking share: the evidence so far and what hangs on it."""

    permission_required = "console.review_certificate"
    sentence = ""

    def brief(self, pk: str) -> Briefing:
        event = get_object_or_404(Event, pk=pk)
        last = Certificate.objects.filter(event=event).order_by("-version").first()
        return Briefing(
            version=f"{last.version if last else 0}:{last.status if last else ''}:{event.rules_hash}",
            target=f"{event.ticker}",
            url=page_url("markets.event", event.pk),
            sentences=[self.sentence, event.title],
            numbers=[
                ("Listed outcomes", str(event.market_count)),
                ("Certificate now", f"{last.status} ({last.kind or 'no kind'}): {last.reason}" if last else "none"),
                ("Open positions on it", str(premises.resting_on([event.pk]).count())),
                ("Near misses waiting for it", str(NearMiss.objects.filter(event=event, ended_at=None).count())),
            ],
        )


class GrantCertificate(Review):
    """Makes YES on every outcome pay in every listed state of this event, until its rules or outcomes change."""

    name = "grant_certificate"
    title = "Grant certificate"
    submit = "One of them must win"
    sentence = (
        "You vouch that one of the listed outcomes must win. A basket of YES on all of them then is at best "
        f"{Grade.IF_DETERMINED.label}, and {Grade.CONDITIONAL.label} where the rules were not read, until its rules or outcomes change. "
        "Quote the rule in the reason."
    )

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        certificates.grant(get_object_or_404(Event, pk=pk), actor, reason)
        return "The certificate is granted."


class RevokeCertificate(Review):
    """Takes the certificate back; open positions that rest on it are conditional from then on."""

    name = "revoke_certificate"
    title = "Revoke certificate"
    submit = "Revoke"
    sentence = (
        "The event counts as not exhaustive from now on, and stays so until somebody grants a new certificate. Open positions that rest "
        f"on it are {Grade.CONDITIONAL.label} from now on, to their end; nothing of them is sold for it: review them."
    )

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        certificates.revoke(get_object_or_404(Event, pk=pk), actor, reason)
        count = premises.obey_revocations()
        return f"The certificate is revoked. Open positions that are {Grade.CONDITIONAL.label} from now on: {count}."
