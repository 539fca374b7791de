"""A number that is a link equals the rows that it leads to: all pages are walked, and every such link is followed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Any, Final
from urllib.parse import urlsplit

import addresses
import pytest
import sample_positions
import sample_rest
import sample_rows
import time_machine
from django.test import Client
from django.urls import Resolver404, resolve, reverse

from kalbot.common import clock
from markets.models import Scan
from strategies.models import Decision, Profile
from trading.models import Denial

pytestmark = pytest.mark.alike

LINK: Final = re.compile(r'<a\b[^>]*?href="([^"]+)"[^>]*>(.*?)</a>', re.S)
COUNT: Final = re.compile(r"[−-]?([\d,]+)(?: [a-z].*)?\Z", re.S)
"""``12``, ``−12`` and ``12 by margin``; neither an amount nor a moment."""
SHOWN: Final = {
    ("/admin/", "/admin/strategies/verdict/"),
    ("/admin/results/", "/admin/trading/position/"),
    ("/admin/shadows/", "/admin/strategies/decision/"),
    *(("/admin/why/", f"/admin/{one}/") for one in ("strategies/decision", "strategies/verdict", "trading/position")),
}
LEFT_OUT: Final = re.compile(
    r"_(add|delete|history|autocomplete)\Z|\Aact_|download|log(in|out)|jsi18n|revert|view_on_site"
)


def counts(page: str) -> Iterator[tuple[str, int]]:
    """(address of a list, the number that is a link to it)."""
    for href, text in LINK.findall(page):
        said = COUNT.match(" ".join(unescape(re.sub(r"<[^>]*>", " ", text)).split()))
        if said is not None and (path := unescape(href)).startswith("/admin/") and is_list(path):
            yield path, int(said[1].replace(",", ""))


def is_list(path: str) -> bool:
    """Whether an address is a list of rows."""
    try:
        return str(resolve(urlsplit(path).path).url_name).endswith("_changelist")
    except Resolver404:
        return False


def listed(client: Client, path: str) -> int:
    """How many rows a list has; what the list does not understand has none, and sends a person elsewhere."""
    answer = client.get(path)
    return int(answer.context["cl"].result_count) if answer.status_code == 200 else -1


@pytest.fixture
def rich(sample: dict[str, Any]) -> dict[str, Any]:
    """The samples with decisions before and after the last scan, bought and refused, and a paper twin that took one of them."""
    sample_rest.rows(sample)
    live, careful = sample["live"], sample["careful"]
    twin = Profile.objects.create(name="twin", mode="sim", shadow_of=live)
    Profile.objects.filter(pk=twin.pk).update(created_at=clock.now() - timedelta(days=3))
    begun = clock.now() - timedelta(hours=1)
    Scan.objects.filter(pk=sample["scan"].pk).update(started_at=begun)
    for hours, event in ((5, 3), (0.5, 5)):
        with time_machine.travel(clock.now() - timedelta(hours=hours), tick=False):
            for profile in (live, careful):
                sample_positions.bought(profile, sample["events"][event], 100)
                refused = sample_positions.decision(profile, sample["events"][4], count=100)
                Denial.objects.create(decision=refused, code="capital", detail="nothing is free")
    taken = Decision.objects.filter(profile=live).first()
    sample_rows.verdict(twin, sample["events"][0], "candidate", "")
    copy = sample_positions.decision(twin, sample["events"][4], count=100)
    Decision.objects.filter(pk=copy.pk).update(shadow_of=taken)
    return sample


def pages(sample: dict[str, Any]) -> list[str]:
    """Every page that a person opens, and what some of them show of other profiles and times."""
    found = [one.path for one in addresses.every() if one.has_row and not LEFT_OUT.search(one.name or "act_")]
    of = [f"?profile={name}" for name in ("careful", "live", "twin")]
    found += [reverse("admin:why") + query for query in of]
    found += [reverse("admin:results") + query for query in ("?period=all", "?period=day", "?from=2020-01-01")]
    found += [reverse("admin:shadows") + f"?days={days}" for days in (1, 7, 30)]
    return [path for path in found if path.startswith("/admin/")]


def test_every_number_that_is_a_link_equals_its_list(rich: dict[str, Any], login: Any) -> None:
    client, wrong, seen = login(), [], set()
    for page in pages(rich):
        answer = client.get(page)
        if answer.status_code != 200 or "html" not in answer["Content-Type"]:
            continue
        for path, number in counts(answer.content.decode()):
            seen.add((urlsplit(page).path, urlsplit(path).path))
            if (rows := listed(client, path)) != number:
                wrong.append(f"{page}: {number} leads to {rows} rows: {path}")
    assert wrong == [], "\n".join(wrong)
    assert seen == SHOWN, "pages with such links, and what the links lead to"
