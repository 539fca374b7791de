"""A new profile: presets, what matches while typing, names that the exchange does not have; and profiles side by side."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from markets.models import Series
from strategies.models import Profile
from strategies.profiles import names, presets, validation
from strategies.screening import kept, screening

pytestmark = pytest.mark.alike

Login = Callable[..., Client]
ADD = "/admin/strategies/profile/add/"


def fields_of(page: str) -> dict[str, Any]:
    """The form's values as a browser would send them."""
    form = page[page.index('id="profile_form"') :]
    found: dict[str, Any] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = re.search(r'name="([^"]+)"', tag), re.search(r'value="([^"]*)"', tag)
        if name is None or name[1].startswith(("_", "csrf")):
            continue
        if 'type="checkbox"' in tag:
            if re.search(r"\schecked[\s>=]", tag):
                found.setdefault(name[1], []).append(unescape(value[1]) if value else "on")
        else:
            found[name[1]] = unescape(value[1]) if value else ""
    for name, options in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'value="([^"]*)"[^>]*selected', options)
        found[name] = unescape(chosen[1]) if chosen else ""
    for name, text in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', form, re.DOTALL):
        found[name] = unescape(text).strip()
    return found


@pytest.mark.parametrize("name", presets.PRESETS)
def test_a_preset_is_sound_says_what_it_can_lose_and_is_stored_as_it_is_filled_in(
    name: str, sample: dict[str, Any], login: Login
) -> None:
    preset = presets.PRESETS[name]
    assert validation.problems(presets.profile(name)) == {}
    assert min(len(preset.does.split()), len(preset.can_lose.split())) > 20
    client = login("risk manager")
    page = client.get(ADD, {"preset": name}).content.decode()
    for one in presets.PRESETS.values():
        assert one.title in page
    data = {**fields_of(page), "name": f"my-{name}", "reason": "a start"}
    answer = client.post(ADD, data)
    assert answer.status_code == 302, re.findall(r'class="[^"]*error[^"]*"[^>]*>(.*?)<', answer.content.decode())
    made = Profile.objects.get(name=f"my-{name}")
    assert (made.mode, made.is_active) == ("sim", False)
    wanted = presets.profile(name)
    for field in Profile._meta.concrete_fields:
        if field.name not in ("id", "name", "created_at", "updated_at", "is_active"):
            assert getattr(made, field.name) == getattr(wanted, field.name), field.name


def test_without_a_preset_the_form_begins_careful(sample: dict[str, Any], login: Login) -> None:
    page = login("risk manager").get(ADD).content.decode()
    data = fields_of(page)
    assert sorted(data["kinds"]) == sorted(presets.values("careful")["kinds"])
    assert data["capital"] == "1000.00"


def test_what_matches_is_what_a_screening_would_say(sample: dict[str, Any], login: Login) -> None:
    client, address = login("risk manager"), reverse("admin:profile_matches")
    rows = {row.profile_id: row for row in screening.screen()}
    assert rows
    for profile in Profile.objects.filter(pk__in=rows):
        found = kept.count(profile)
        assert found is not None
        assert (found.universe, found.candidates) == (rows[profile.pk].universe, rows[profile.pk].candidates)
    page = client.get(reverse("admin:strategies_profile_change", args=[sample["careful"].pk])).content.decode()
    assert address in page
    data = fields_of(page)
    careful = kept.count(sample["careful"])
    assert careful is not None
    shown = re.sub(r"<[^>]+>", "", client.post(address, data).content.decode())
    assert f"match {careful.passing} of {careful.universe} open events now, {careful.candidates} of them" in shown
    none = re.sub(
        r"<[^>]+>", "", client.post(address, {**data, "min_outcomes": "60", "max_outcomes": "61"}).content.decode()
    )
    assert "match 0 of" in none
    unread = client.post(address, {**data, "min_volume": "many"}).content.decode()
    assert "Volume, at least" in unread
    assert client.get(address).status_code == 405


def test_before_the_first_screening_nothing_is_claimed(sample: dict[str, Any], login: Login, redis_db: Any) -> None:
    assert "after the next scan" in login("viewer").post(reverse("admin:profile_matches"), {}).content.decode()


@pytest.mark.parametrize(
    ("field", "written", "said"),
    [
        ("categories", "Sport", "Did you mean Sports"),
        ("categories", "climate", "Climate and Weather"),
        ("categories", "Qwxz", "known are"),
        ("series_include", "KXHIGHN", "KXHIGHNY"),
        ("series_exclude", "HIGHNY", "KXHIGHNY"),
        ("series_include", "KXQWERTYUIOP", "nor one with a similar name"),
    ],
)
def test_a_name_that_the_exchange_does_not_have_is_refused_with_the_nearest(
    field: str, written: str, said: str, sample: dict[str, Any], login: Login
) -> None:
    client, careful = login("risk manager"), sample["careful"]
    address = reverse("admin:strategies_profile_change", args=[careful.pk])
    data = {**fields_of(client.get(address).content.decode()), field: written, "reason": "narrower"}
    answer = client.post(address, data)
    assert answer.status_code == 200
    assert said in unescape(answer.content.decode())
    careful.refresh_from_db()
    assert getattr(careful, field) == []


def test_a_known_name_is_taken_in_any_case_and_one_kept_from_before_may_be_gone(
    sample: dict[str, Any], login: Login
) -> None:
    client, careful = login("risk manager"), sample["careful"]
    address = reverse("admin:strategies_profile_change", args=[careful.pk])
    Profile.objects.filter(pk=careful.pk).update(series_exclude=["KXGONE"])
    data = fields_of(client.get(address).content.decode())
    answer = client.post(address, {**data, "categories": "climate and weather", "reason": "narrower"})
    assert answer.status_code == 302
    careful.refresh_from_db()
    assert (careful.categories, careful.series_exclude) == (["climate and weather"], ["KXGONE"])


def test_series_outside_the_categories_and_series_of_an_empty_catalogue_are_refused(sample: dict[str, Any]) -> None:
    Series.objects.create(ticker="KXGAME", title="Games", category="Sports")
    assert "nothing passes both" in names.contradicts(["Crypto"], ["KXGAME"])
    assert names.contradicts(["sports"], ["KXGAME"]) == ""
    assert names.contradicts([], ["KXGAME"]) == names.contradicts(["Crypto"], []) == ""


def test_series_cannot_be_named_before_the_catalogue_is_there(db: None) -> None:
    assert "nothing has been fetched" in names.unknown_series(["KXHIGHNY"])
    assert names.unknown_categories(["Sports", "sports"]) == ""
    assert names.unknown_series([]) == ""


def test_profiles_stand_side_by_side_with_what_differs(sample: dict[str, Any], login: Login) -> None:
    Profile.objects.filter(name="careful").update(min_profit=123_000_000)
    client, address = login("viewer"), reverse("admin:profile_compare")
    page = client.get(address, {"name": ["careful", "live"], "period": "all"}).content.decode()
    for words in ("$123.00", "Profit, at least", "+$1.7775", "what paper made is no money", "Screened"):
        assert words in page, words
    assert "Size in steps of" not in page, "what is the same is left out"
    for strange in ({}, {"name": "nobody"}, {"period": "x"}, {"name": [one.name for one in Profile.objects.all()]}):
        assert client.get(address, strange).status_code == 200
