"""``manage.py collateral``: the balances of a first smallest basket against the model."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

HEAD = "ticker,side,count,cost,available\n"


def said(path: Path, text: str, **options: str) -> str:
    (path / "steps.csv").write_text(text)
    out = StringIO()
    call_command("collateral", str(path / "steps.csv"), "--start", options.pop("start", "10.00"), stdout=out, **options)
    return out.getvalue()


def test_the_exchanges_example_agrees(tmp_path: Path) -> None:
    text = HEAD + "A,no,1.00,0.60,9.40\nB,no,1.00,0.70,9.70\n"
    assert "To the micro-dollar, 2 fills can be read as:" in said(tmp_path, text)
    assert "only NO counts" in said(tmp_path, text)


def test_an_account_without_collateral_return_does_not(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"after fill 2 the nearest says \$9.70, the exchange showed \$8.70"):
        said(tmp_path, HEAD + "A,no,1.00,0.60,9.40\nB,no,1.00,0.70,8.70\n")


def test_a_ladder_returns_what_the_higher_threshold_implies(tmp_path: Path) -> None:
    # YES above 1 and NO above 2: one of them pays whatever comes; only a reading in which YES counts returns it
    text = HEAD + "T1,yes,1.00,0.60,9.40\nT2,no,1.00,0.50,9.90\n"
    found = said(tmp_path, text, ladder="T1,T2")
    assert "YES and NO count" in found
    assert "only NO" not in found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must have the columns"),
        (HEAD, "holds no fill"),
        (HEAD + "A,maybe,1.00,0.60,9.40\n", "maybe"),
        (HEAD + "A,no,much,0.60,9.40\n", "much"),
        (HEAD + "A,no,-1.00,0.60,9.40\n", "negative"),
    ],
)
def test_what_is_no_list_of_fills_is_said(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        said(tmp_path, text)
