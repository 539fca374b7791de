"""Every page and list of the admin answers, for whoever may see it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.urls import reverse


def test_every_list_and_a_page_of_each_answer(desk: dict[str, Any], login: Any) -> None:
    client, wrong = login(), []
    for model in admin.site._registry:
        name = model._meta.label_lower.replace(".", "_")
        addresses = [reverse(f"admin:{name}_changelist")]
        row = model._default_manager.first()
        if row is not None:
            addresses.append(reverse(f"admin:{name}_change", args=[row.pk]))
        wrong += [
            (address, answer.status_code) for address in addresses if (answer := client.get(address)).status_code != 200
        ]
    assert wrong == []


@pytest.mark.parametrize("role", ["viewer", ""])
def test_pages_of_the_desk_answer(role: str, desk: dict[str, Any], login: Any) -> None:
    client = login(role)
    for name in ("admin:index", "admin:why", "admin:operate"):
        answer = client.get(reverse(name))
        assert answer.status_code == 200
        assert b"ACTIVE" in answer.content
    assert client.get(reverse("admin:why_event", args=[desk["events"][0].pk])).status_code == 200
    assert client.get(f"/admin/strategies/profile/{desk['careful'].pk}/evaluate/").status_code == 200
    for part in ("modes", "system", "positions", "nearest", "alerts"):
        assert client.get(reverse("admin:desk_part", args=[part])).status_code == 200
