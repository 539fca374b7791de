"""``manage.py quotes`` on a recorded catalogue: what may rest, and what stops it."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

pytestmark = pytest.mark.shared


def totals(recorded: Path, *options: str) -> dict[str, Any]:
    out = StringIO()
    passes = [str(path) for path in sorted((recorded / "snapshots").iterdir()) if path.is_dir()]
    call_command("quotes", *passes, "--json", *options, stdout=out)
    found = json.loads(out.getvalue())
    assert len(found["events"]) == found["totals"]["events"] > 0
    return dict(found["totals"])


def test_one_resting_leg_makes_many_baskets_where_taking_all_makes_one(recorded: Path) -> None:
    found = totals(recorded, "--side", "yes", "--assume-states")
    assert found["all taken"] == 1
    assert found["one leg inside"] > 100 * found["all taken"]
    assert found["all legs"] > 0.8 * found["events"]


def test_without_certificates_nothing_rests(recorded: Path) -> None:
    found = totals(recorded, "--side", "no")
    assert (found["one leg"], found["all legs"]) == (0, 0)


def test_a_margin_and_the_best_bid_make_quotes_rarer(recorded: Path) -> None:
    plain = totals(recorded, "--side", "yes", "--assume-states")
    assert totals(recorded, "--side", "yes", "--assume-states", "--margin", "3")["one leg"] < plain["one leg"]
    assert totals(recorded, "--side", "yes", "--assume-states", "--join")["one leg inside"] < plain["one leg inside"]


def test_what_is_no_count_is_said(recorded: Path) -> None:
    with pytest.raises(CommandError, match="--count"):
        totals(recorded, "--count", "0")
