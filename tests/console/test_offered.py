"""No page offers a role what it would then refuse: every kind of link and dialog on every page that a role may open lets that role in."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import addresses
import pytest
import sample_rest
from django.contrib.auth.models import User
from django.test import Client

Login = Callable[..., Client]
OFFERED: Final = re.compile(r'\s(?:href|hx-get|formaction)="([^"#]+)"')


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("role", ["viewer", "operator", "risk manager"])
def test_no_page_offers_what_it_refuses(role: str, sample: dict[str, Any], login: Login) -> None:
    sample_rest.rows(sample)
    client = login(role, "somebody")
    person = User.objects.get(username="somebody")
    offered: dict[str, tuple[str, str, str]] = {}
    for one in addresses.every():
        name = one.name or ""
        if not one.has_row or name in ("", "logout", "exports_download") or name.endswith(("_history", "_delete")):
            continue
        if addresses.ask(person, "GET", one.path) != addresses.LET_IN:
            continue
        page = client.get(one.path)
        if page.streaming or "text/html" not in page["Content-Type"]:
            continue
        for found in OFFERED.findall(page.content.decode()):
            _, _, path, query, _ = urlsplit(unescape(found))
            if path.startswith("/admin/") and "logout" not in path:
                offered.setdefault(str(addresses.matched(path).url_name), (path, query, one.path))
    assert len(offered) > 50
    refused = [
        f"{path} on {page}"
        for path, query, page in sorted(offered.values())
        if addresses.ask(person, "GET", path, **dict(parse_qsl(query)))
        in (addresses.REFUSED, addresses.MISSING, addresses.FAILED)
    ]
    assert refused == [], "\n".join(refused)
