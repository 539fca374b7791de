"""Approving and withdrawing registered contract terms: the only way by which a basket can become guaranteed."""

from __future__ import annotations

from django import forms
from django.shortcuts import get_object_or_404
from unfold.widgets import UnfoldAdminTextInputWidget

from kalbot.console.dialogs.dialog import Briefing, Dialog, ReasonForm, version_of
from kalbot.console.ui.links import page_url
from markets.connect import environment
from markets.models import ContractTerms, TermsChange
from markets.terms.grades import Grade
from markets.terms.registry import changes, documents
from markets.terms.registry.entries import document_url, exchange_of
from trading import selectors


class HashForm(ReasonForm):
    """The full hash of the document that was read."""

    sha256 = forms.CharField(
        label="sha256 of the document that you read",
        min_length=64,
        max_length=64,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="All 64 digits, from the file that you have read yourself.",
    )
    field_order = ["token", "sha256", "reason"]


class TermsDialog(Dialog):
    """What approving and withdrawing share: the entry, its document and what rests on it."""

    permission_required = "console.review_certificate"
    sentence = ""

    def brief(self, pk: str) -> Briefing:
        entry = get_object_or_404(ContractTerms, pk=pk)
        resting = selectors.resting_on(entry)
        return Briefing(
            target=str(entry),
            url=page_url("markets.contractterms", entry.pk),
            sentences=[self.sentence, entry.about],
            numbers=[
                ("Document", entry.url),
                ("Fetched hash", entry.fetched_sha256 or f"not fetched {entry.fetch_error}"),
                ("Hash as published by others", entry.published_sha256 or "not published"),
                ("Approved hash", entry.approved_sha256 or "none"),
                ("Without data", entry.get_no_data_display()),
                ("Open positions on it", ", ".join(f"#{position.pk}" for position in resting) or "none"),
            ],
            version=version_of(
                entry.status, entry.approved_sha256, entry.fetched_sha256, entry.url, entry.about, entry.no_data
            ),
        )


class ApproveTerms(TermsDialog):
    """A risk manager vouches for a document by its full hash; baskets under it may be called guaranteed from then on."""

    name = "approve_terms"
    title = "Approve contract terms"
    submit = "I have read this document"
    form_class = HashForm
    sentence = (
        "You vouch that you have read the document, with its amendments, and that the entry says what it says. Baskets of its series may "
        f"be {Grade.GUARANTEED.label} from then on, until the document, its address or the rules change."
    )

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        entry = get_object_or_404(ContractTerms, pk=pk)
        where = environment()
        if entry.exchange != exchange_of(where):
            raise changes.TermsError("These terms are of another exchange than the one we are connected to.")
        documents.check(entry, document_url(entry, where))
        entry.refresh_from_db()
        changes.approve(entry, form.cleaned_data["sha256"], actor, reason)
        return "The terms are approved; certificates of their series were given again."


class WithdrawTerms(TermsDialog):
    """Takes an approval back: no new basket counts on the document."""

    name = "withdraw_terms"
    title = "Withdraw contract terms"
    submit = "Withdraw"
    sentence = (
        "No new basket counts on this document from now on. Positions that rest on it are not touched; review them."
    )

    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        entry = get_object_or_404(ContractTerms, pk=pk)
        if not changes.demote(entry, TermsChange.Kind.WITHDRAWN, reason, actor):
            raise changes.TermsError("These terms are not approved.")
        return "The approval is withdrawn."
