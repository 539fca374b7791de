"""A person's leave to buy in an event whose guaranteed margin is too good to be believed at once."""

from __future__ import annotations

from django.db import models

from markets.models import Event


class EventApproval(models.Model):
    """For the whole event as it was read and a stated time, never for one price. Rows are not edited: a later one adds to an earlier
    one. ``rules_hash``: of the event's facts then; an event whose rules or outcomes have changed is another one."""

    event = models.ForeignKey(Event, models.CASCADE, related_name="+")
    actor = models.CharField(max_length=150)
    note = models.CharField(max_length=300, help_text="Why the margin is believed.")
    rules_hash = models.CharField(max_length=64, default="", db_default="", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("created_at")), name="an_approval_ends_after_it_begins"
            ),
            models.CheckConstraint(condition=~models.Q(actor=""), name="an_approval_has_an_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} until {self.expires_at:%Y-%m-%d %H:%M}"
