"""What is known of a connection at one moment, in messages after which whoever reads the tape from there knows it too: where a cut begins,
and where a hole of the recording has ended."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from kalbot.common.units import format_count, format_price


class WholeBook(NamedTuple):
    """A book, said on subscription ``sid``: price -> count of each side. ``clock``: the market's own, up to which its changes are part of
    it; 0 where it has none."""

    sid: int
    ticker: str
    yes: Mapping[int, int]
    no: Mapping[int, int]
    clock: int = 0

    def message(self) -> dict[str, object]:
        """As the exchange sends it, without its number."""
        said: dict[str, object] = {"market_ticker": self.ticker}
        for side, levels in (("yes", self.yes), ("no", self.no)):
            if levels:
                said[f"{side}_dollars_fp"] = [[format_price(p), format_count(c)] for p, c in sorted(levels.items())]
        if self.clock:
            said["clock"] = self.clock
        return {"type": "orderbook_snapshot", "msg": said}


class Paused(NamedTuple):
    """A market that does not trade now, said on subscription ``sid``."""

    sid: int
    ticker: str

    def message(self) -> dict[str, object]:
        """As the exchange sends it, without its number."""
        return {"type": "market_lifecycle_v2", "msg": {"market_ticker": self.ticker, "event_type": "deactivated"}}


Said = WholeBook | Paused


def before(sequence: Mapping[int, int], messages: Iterable[Said]) -> dict[str, int]:
    """The ``sequence`` of the CONNECTION record that ``frames`` follow. ``sequence``: the last number of each subscription."""
    said = Counter(one.sid for one in messages)
    return {str(sid): last - said[sid] for sid, last in sorted({**dict.fromkeys(said, 0), **sequence}.items())}


def frames(sequence: Mapping[int, int], messages: Sequence[Said]) -> list[bytes]:
    """``messages`` with the latest numbers of their subscriptions, so that the next frame of each is the next in order."""
    left = Counter(one.sid for one in messages)
    found = []
    for one in messages:
        left[one.sid] -= 1
        numbered = one.message() | {"sid": one.sid, "seq": sequence.get(one.sid, 0) - left[one.sid]}
        found.append(json.dumps(numbered).encode())
    return found
