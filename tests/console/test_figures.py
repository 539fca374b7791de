"""Figures for people: a column of money has equal decimals, today begins at the profile's midnight, outcomes have their names."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sample_positions
import time_machine
from django.test import Client
from django.urls import reverse

from kalbot import console
from kalbot.common import clock
from kalbot.console.pages.home import dashboard
from kalbot.console.pages.home.reading import Reading
from kalbot.console.ui import formats
from strategies.models import Profile
from trading.models import Account, LedgerEntry, LedgerTransaction, Lock, Position

Login = Callable[..., Client]


@pytest.mark.parametrize(
    ("unit", "values", "decimals"),
    [
        ("money", [50_000_000, 10_000], 2),
        ("money", [50_000_000, 49_407_500], 4),
        ("money", [26_250, None], 6),
        ("money", [], 2),
        ("price", [4_100, 6_200], 2),
        ("price", [4_100, 6_250], 4),
    ],
)
def test_a_column_has_as_many_decimals_as_its_finest_amount(unit: str, values: list[int | None], decimals: int) -> None:
    assert formats.decimals(unit, values) == decimals


def amounts(page: str, field: str) -> list[str]:
    """The amounts of one column of a list."""
    return re.findall(rf'class="[^"]*field-{field}[^"]*"[^>]*>\s*(?:<[^>]*>\s*)*([-+]?\$[\d,.]+)', page)


@pytest.mark.parametrize(
    ("name", "field"),
    [("trading_position", "cost"), ("trading_position", "least"), ("trading_ledgertransaction", "cash")],
)
def test_amounts_of_a_list_have_equal_decimals(name: str, field: str, sample: dict[str, Any], login: Login) -> None:
    held = sample["held"]
    Position.objects.filter(pk=held.pk).update(cost=49_407_500, floor=50_000_000)
    Position.objects.filter(pk=sample["paper"].pk).update(cost=49_000_000, floor=50_125_000)
    page = login("viewer").get(reverse(f"admin:{name}_changelist")).content.decode()
    found = amounts(page, field)
    assert len(found) > 1
    assert {len(one.rpartition(".")[2]) for one in found} == {4}, found


def test_today_begins_at_midnight_of_each_profiles_own_zone(sample: dict[str, Any]) -> None:
    live = Profile.objects.filter(mode="live")
    gain = live.get().capital // 100
    with time_machine.travel("2027-07-01T23:30:00Z", tick=False):  # 19:30 in New York
        book_gain(live.get(), gain)
        Position.objects.filter(mode="live", status="settled").update(ended_at=clock.now())
    with time_machine.travel("2027-07-02T03:30:00Z", tick=False):  # 23:30 in New York, tomorrow in UTC
        live.update(day_zone="America/New_York")
        assert of_today(live.get()) == (gain, 3)
        live.update(day_zone="UTC")
        assert of_today(live.get()) == (0, 0)
        assert any("since midnight UTC" in tile["detail"] for tile in dashboard.earning(Reading()))


def of_today(profile: Profile) -> tuple[int, int]:
    """(what a profile realised, how many of its positions ended) since its midnight."""
    reading = Reading()
    return reading.realised_today[profile.pk], reading.ended_today.get(profile.pk, 0)


def book_gain(profile: Profile, amount: int) -> None:
    """A profit in the ledger, booked now."""
    booked = LedgerTransaction.objects.create(
        profile=profile, mode=profile.mode, kind="release", key=f"gain {amount}", position=Position.objects.first()
    )
    LedgerEntry.objects.bulk_create(
        [
            LedgerEntry(transaction=booked, account=account, amount=sign * amount)
            for account, sign in ((Account.CASH, 1), (Account.REALISED, -1))
        ]
    )


def test_a_position_page_calls_outcomes_by_their_names(sample: dict[str, Any], login: Login) -> None:
    page = login("viewer").get(reverse("admin:trading_position_change", args=[sample["held"].pk])).content.decode()
    shown = page[page.index('id="part-held"') : page.index("k-timeline")]
    states = re.findall(r"<li><span>(.*?)</span>", shown)
    assert states
    assert not [state for state in states if "KXHIGHNY" in state]
    assert "buy 25 NO 81° to 82°" in page


def test_a_lifted_lock_is_kept_with_the_persons_reason(sample: dict[str, Any], login: Login) -> None:
    lock = Lock.objects.create(code="residual", reason="one leg", until=clock.now() + timedelta(minutes=5))
    client, address = login("risk manager", "rita"), reverse("admin:act_remove_lock_one", args=[lock.pk])
    form = client.get(address).content.decode()
    fields = {name: re.findall(rf'name="{name}" value="([^"]*)"', form)[0] for name in ("token", "version")}
    client.post(address, {**fields, "reason": "sold by hand"})
    lock.refresh_from_db()
    assert lock.until <= clock.now()
    assert lock.end_note == "lifted by rita: sold by hand"
    assert "lifted by rita: sold by hand" in client.get(reverse("admin:trading_lock_changelist")).content.decode()


def test_naked_legs_are_named_with_their_outcome(sample: dict[str, Any], login: Login) -> None:
    sample_positions.sell(sample["held"], 0, 2_000, 5_000)
    page = login("viewer").get(reverse("admin:trading_position_change", args=[sample["held"].pk])).content.decode()
    assert re.search(r"Naked: \d+ NO \d+° to \d+°", page)


def test_every_time_of_day_on_a_page_names_its_zone() -> None:
    templates = Path(console.__file__).parent / "templates" / "console"
    without = {
        page.name
        for page in templates.rglob("*.html")
        for shown in re.findall(r'date:"([^"]*)"', page.read_text())
        if "H" in shown and "T" not in shown
    }
    assert without == {"position_timeline.html"}, "its heading names the zone of all of its lines"
