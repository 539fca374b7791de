"""The address of a row's page is what Django would make of its key, however odd."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.admin.utils import quote
from django.urls import reverse, set_script_prefix
from django.urls.base import clear_script_prefix

from kalbot.console.ui.links import page_url

KEYS = [7, "KXHIGHNY-26JUL20", "a/b?c#d", "über 100% _sure_", "x~:@!$&'()*+,;=", '"<0>"', "0", uuid.UUID(int=3)]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_a_key_is_written_as_django_writes_it(key: object) -> None:
    assert page_url("trading.position", key) == reverse("admin:trading_position_change", args=[quote(str(key))])


def test_below_another_path_the_addresses_are_below_it_and_afterwards_not() -> None:
    plain = page_url("markets.event", "E1")
    try:
        set_script_prefix("/bot/")
        assert page_url("markets.event", "E1") == f"/bot{plain}"
    finally:
        clear_script_prefix()
    assert page_url("markets.event", "E1") == plain
