"""What every stranger's script shares: named steps, each of which prints what it got or what it could not do. No import of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

TICKER = "KXHIGHNY-26JUL20-B82.5"
SERIES = "KXHIGHNY"


def number(value: Any) -> str:
    """A count or price, however a client represents it, as plain decimals."""
    return f"{float(str(getattr(value, 'value', value))):.4f}"


def run(steps: dict[str, Callable[[], Any]]) -> None:
    """Run the steps in order and print one JSON object of their results; a step that fails is an ``error``, the rest go on."""
    found: dict[str, Any] = {}
    for name, step in steps.items():
        try:
            found[name] = step()
        except Exception as error:
            found[name] = {"error": f"{type(error).__name__}: {error}"[:400]}
    print(json.dumps(found))
