"""A dangerous action: GET shows what will happen in numbers and asks for a reason, POST does it once.

The same view serves the dialog (htmx takes its ``#dialog`` part) and, without JavaScript, a page of its own. The token in
the form is spent by the first POST, through a unique column: a double click, a reload or a second tab finds it spent and says
the result of the first.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.views import View
from unfold.widgets import UnfoldAdminTextInputWidget

from kalbot.common.errors import KalbotError
from kalbot.console.auth import audit
from kalbot.console.models import Act

log = logging.getLogger(__name__)


@dataclass
class Briefing:
    """What a person sees before confirming. ``numbers`` are (label, text) pairs and are kept with the act.

    ``version``: of the row that is acted on; a confirmation of another version is refused and shows the dialog again.
    """

    target: str
    url: str
    sentences: list[str] = field(default_factory=list)
    numbers: list[tuple[str, str]] = field(default_factory=list)
    template: str = ""
    context: dict[str, Any] = field(default_factory=dict)
    refusal: str = ""
    version: str = ""


def version_of(*parts: object) -> str:
    """The version of a row by what of it the decision rests on, short enough for the form."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


class ReasonForm(forms.Form):
    """Every dangerous action asks why."""

    token = forms.CharField(widget=forms.HiddenInput, max_length=40)
    version = forms.CharField(widget=forms.HiddenInput, max_length=200, required=False)
    reason = forms.CharField(
        label="Reason",
        min_length=audit.LEAST_WORDS,
        max_length=300,
        widget=UnfoldAdminTextInputWidget(attrs={"autofocus": "autofocus", "autocomplete": "off"}),
        error_messages={
            "required": "Please say why; the reason is kept with the action.",
            "min_length": "A few words, please.",
        },
    )


class Dialog(PermissionRequiredMixin, View, ABC):
    """Subclasses say what it is (class attributes), what it would do (``brief``) and do it (``act``)."""

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    submit: ClassVar[str] = "Confirm"
    variant: ClassVar[str] = "danger"
    form_class: ClassVar[type[ReasonForm]] = ReasonForm
    raise_exception = True

    @abstractmethod
    def brief(self, pk: str) -> Briefing:
        """What confirming would do, in words and numbers. Raises Http404 when there is no such row."""

    @abstractmethod
    def act(self, pk: str, form: ReasonForm, actor: str, reason: str) -> str:
        """Do it; return one sentence. Raises KalbotError with a sentence when it is refused."""

    def initial(self, pk: str) -> dict[str, Any]:
        """What the form's fields hold before the person writes."""
        return {}

    def leads_to(self, form: ReasonForm, briefing: Briefing) -> str:
        """Address of the page that shows what was done."""
        return briefing.url

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """A key that cannot be one is a row that is not there."""
        try:
            return super().dispatch(request, *args, **kwargs)
        except (ValueError, ValidationError) as error:
            raise Http404(f"no such row: {kwargs.get('pk')!r}") from error

    def get(self, request: HttpRequest, pk: str = "") -> HttpResponse:
        briefing = self.brief(pk)
        start = {"token": secrets.token_urlsafe(24), "version": briefing.version, **self.initial(pk)}
        return self.show(request, self.form_class(initial=start), briefing)

    def post(self, request: HttpRequest, pk: str = "") -> HttpResponse:
        briefing = self.brief(pk)
        form = self.form_class(request.POST)
        if not form.is_valid():
            return self.show(request, form, briefing)
        if self.is_outdated(form, briefing):
            return self.outdated(request, form, briefing)
        record, fresh = self.spend(request, form, briefing)
        if not fresh:
            messages.info(request, f"This was confirmed before. {record.result or 'It is still being done.'}")
            return self.leave(request, briefing.url)
        try:
            result = self.act(pk, form, record.actor, record.reason)
        except KalbotError as error:
            return self.refused(request, record, form, briefing, str(error))
        except Exception as error:
            log.exception("%s by %s failed", self.name, record.actor)
            sentence = f"It could not be done ({type(error).__name__}); the log has the details."
            return self.refused(request, record, form, briefing, sentence)
        Act.objects.filter(pk=record.pk).update(outcome=Act.Outcome.DONE, result=result[:400])
        messages.success(request, result)
        return self.leave(request, self.leads_to(form, briefing))

    def spend(self, request: HttpRequest, form: ReasonForm, briefing: Briefing) -> tuple[Act, bool]:
        """The record of this act, and whether it is ours to do: the unique token lets exactly one POST through."""
        with transaction.atomic():
            return Act.objects.get_or_create(
                token=form.cleaned_data["token"],
                defaults={
                    "name": self.name,
                    "actor": request.user.get_username(),
                    "reason": form.cleaned_data["reason"].strip(),
                    "target": briefing.target[:120],
                    "target_url": briefing.url,
                    "shown": briefing.numbers,
                },
            )

    def is_outdated(self, form: ReasonForm, briefing: Briefing) -> bool:
        """Whether the row changed since the dialog was shown. A token that is spent already is answered with its result instead."""
        if form.cleaned_data["version"] == briefing.version:
            return False
        return not Act.objects.filter(token=form.cleaned_data["token"]).exists()

    def outdated(self, request: HttpRequest, form: ReasonForm, briefing: Briefing) -> HttpResponse:
        """Somebody was here in between: nothing is done, and the dialog shows how things are now."""
        again = request.POST.copy()
        again["version"] = briefing.version
        form.data = again
        form.add_error(
            None,
            "This changed while you were reading; nothing was done. Above is how it is now: confirm again if you still want it.",
        )
        return self.show(request, form, briefing)

    def refused(
        self, request: HttpRequest, record: Act, form: ReasonForm, briefing: Briefing, why: str
    ) -> HttpResponse:
        """Keep the refusal, and show the dialog again with the sentence and a fresh token."""
        Act.objects.filter(pk=record.pk).update(outcome=Act.Outcome.REFUSED, result=why[:400])
        again = request.POST.copy()
        again["token"] = secrets.token_urlsafe(24)
        form.data = again
        form.add_error(None, why)
        return self.show(request, form, briefing)

    def show(self, request: HttpRequest, form: ReasonForm, briefing: Briefing) -> HttpResponse:
        for written in form.fields.values():
            if "hx-get" in written.widget.attrs:
                written.widget.attrs["hx-get"] = request.path
        context = {
            **admin.site.each_context(request),
            "title": self.title,
            "form": form,
            "briefing": briefing,
            "submit": self.submit,
            "variant": self.variant,
        }
        return TemplateResponse(request, "console/dialog.html", context)

    def leave(self, request: HttpRequest, url: str) -> HttpResponse:
        if request.headers.get("HX-Request"):
            return HttpResponse(headers={"HX-Redirect": url})
        return HttpResponseRedirect(url)
