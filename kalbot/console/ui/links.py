"""Addresses of the admin's pages and lists, so that every number on a screen can be a link to its rows."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.utils import quote
from django.urls import reverse


def page_url(label: str, pk: Any) -> str:
    """Address of the page of one row: ``page_url("trading.position", 7)``."""
    return reverse(f"admin:{label.replace('.', '_')}_change", args=[quote(pk)])


def list_url(label: str, **filters: Any) -> str:
    """Address of a list with filters applied."""
    return reverse(f"admin:{label.replace('.', '_')}_changelist") + (f"?{urlencode(filters)}" if filters else "")


def act_url(name: str, pk: Any = "") -> str:
    """Address of a dialog: ``act_url("halt")``, ``act_url("resume", 3)``."""
    return reverse(f"admin:act_{name}_one", args=[pk]) if pk else reverse(f"admin:act_{name}")
