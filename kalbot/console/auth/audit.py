"""The one audit log: what people did by dialogs, forms, the command line and the API, as rows of ``Act``."""

from __future__ import annotations

import argparse
import getpass
import os
import secrets
from typing import Any, Final

from kalbot.console.models import Act

LEAST_WORDS: Final = 3
"""Characters of a reason: fewer say nothing, wherever it is given."""


BY_FORM: Final = "by the form"
"""The reason of what may be done without one, such as adding a paper profile: nothing that trades becomes looser by it."""


def record(
    name: str,
    *,
    actor: str,
    reason: str,
    target: str,
    url: str = "",
    result: str = "",
    shown: list[Any] | None = None,
) -> Act:
    """One thing that was done. ``shown``: (label, text) pairs that the person saw, or what changed from what to what."""
    return Act.objects.create(
        token=secrets.token_urlsafe(24),
        name=name[:40],
        actor=actor[:150],
        reason=reason[:300],
        target=target[:120],
        target_url=url[:300],
        shown=shown or [],
        outcome=Act.Outcome.DONE,
        result=result[:400],
    )


def reason_written(text: str) -> str:
    """A reason from the command line, for argparse: some words, as the console's dialogs want them."""
    words = text.strip()
    if len(words) < LEAST_WORDS:
        raise argparse.ArgumentTypeError("please say why, in a few words; it is kept")
    return words


def terminal_user() -> str:
    """Who runs a command: the login's name, or its number where it has none, as the host's user in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
