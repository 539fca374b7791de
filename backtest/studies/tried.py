"""What sweeps have tried before: who tries often enough finds something, whether in one sweep or in ten."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from backtest.models import TriedSetting
from backtest.options import Options

LONGEST: Final = 400
"""Characters of a folder that are kept, the last ones."""


def note(options: Options, settings: Sequence[Mapping[str, Any]]) -> int:
    """Keep ``settings`` of the options' profile as tried on their tape. How many others of the profile of that name were tried on it
    before; the same ones again are none. A tape is known by its folder: one that was moved or copied is another one."""
    tape, profile = str(options.tape.resolve())[-LONGEST:], str(options.profile.get("name", ""))
    digests = {_digest({**options.profile, **changes}) for changes in settings}
    TriedSetting.objects.bulk_create(
        [TriedSetting(tape=tape, profile=profile, digest=digest) for digest in sorted(digests)], ignore_conflicts=True
    )
    return TriedSetting.objects.filter(tape=tape, profile=profile).exclude(digest__in=digests).count()


def _digest(columns: Mapping[str, Any]) -> str:
    return sha256(json.dumps(columns, sort_keys=True, default=str).encode()).hexdigest()
