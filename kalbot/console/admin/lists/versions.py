"""Nobody overwrites what they have not seen: a form carries the values it was opened with, and is refused with a diff when the row
has changed since.

Two people edit one profile; without this the second's old form would put the first's limits back, under the wrong name and reason.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django import forms
from django.core import signing
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.forms.models import model_to_dict

SALT = "console.versions"


class SeenForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's cannot be written with its model at run time
    """A form of a row that other people edit too. To be saved inside a transaction, as the admin does."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    unseen: ClassVar[tuple[str, ...]] = ()
    """Fields that are no part of the version: what the machine writes, and what may not stand in a page."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and not self.is_bound:
            self.initial["seen"] = signing.dumps(self.stored(self.instance), salt=SALT)

    def stored(self, row: models.Model) -> dict[str, Any]:
        """The row's values of the fields that this form edits, as JSON holds them."""
        own = [field.name for field in self._meta.model._meta.get_fields()]
        values = model_to_dict(row, fields=[name for name in own if name in self.fields and name not in self.unseen])
        plain = json.dumps(values, cls=DjangoJSONEncoder, default=lambda one: getattr(one, "pk", str(one)))
        found: dict[str, Any] = json.loads(plain)
        return found

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.instance.pk:
            self.compare(str(cleaned.get("seen") or ""))
        return cleaned

    def compare(self, token: str) -> None:
        """Refuse with a sentence for each field that is no longer what this person saw."""
        current = type(self.instance)._default_manager.select_for_update().filter(pk=self.instance.pk).first()
        if current is None:
            self.add_error(None, "This row is gone; somebody deleted it.")
            return
        try:
            seen = signing.loads(token, salt=SALT)
        except signing.BadSignature:
            self.add_error(
                None, "This form does not say which version it was opened with; reload the page and try again."
            )
            return
        now = self.stored(current)
        changed = [name for name in now if name not in seen or seen[name] != now[name]]
        if changed:
            self.add_error(
                None, "Somebody changed this since you opened it; nothing of yours was saved. Reload the page first."
            )
        for name in changed:
            label = (self.fields[name].label if name in self.fields else "") or name.replace("_", " ").capitalize()
            was, is_now = (self.shown(name, values.get(name)) for values in (seen, now))
            self.add_error(None, f"{label}: it was {was} when you opened it and is {is_now} now.")

    def shown(self, name: str, value: Any) -> str:
        """A stored value as this form would write it."""
        field = self.fields.get(name)
        if isinstance(field, forms.ModelMultipleChoiceField) and field.queryset is not None:
            return ", ".join(str(one) for one in field.queryset.filter(pk__in=value or [])) or "none"
        if isinstance(field, forms.ModelChoiceField) and value is not None and field.queryset is not None:
            return str(field.queryset.filter(pk=value).first() or value)
        show = getattr(field, "shown", None)
        return str(show(value) if show is not None and isinstance(value, int) else value)
