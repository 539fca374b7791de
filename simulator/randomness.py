"""Seeded streams, one per purpose, so that a draw for one purpose never shifts another."""

from __future__ import annotations

import hashlib
import random
import uuid


class Streams:
    """Named random streams and deterministic ids of one seed."""

    def __init__(self, seed: int | str) -> None:
        self.seed = str(seed)
        self._streams: dict[str, random.Random] = {}
        self.counters: dict[str, int] = {}

    def stream(self, purpose: str) -> random.Random:
        """The running stream of a purpose (flow, edges, faults)."""
        found = self._streams.get(purpose)
        if found is None:
            found = self._streams[purpose] = random.Random(f"{self.seed}:{purpose}")
        return found

    def fixed(self, purpose: str) -> random.Random:
        """A fresh stream that depends on the seed and the purpose alone (an event's outcome, a market's volume)."""
        return random.Random(f"{self.seed}:{purpose}")

    def new_id(self, kind: str) -> str:
        """The next UUID of a kind: the same in every run with the same requests."""
        number = self.counters[kind] = self.counters.get(kind, 0) + 1
        return named_id(self.seed, f"{kind}:{number}")


def named_id(seed: str, name: str) -> str:
    """A version-4-shaped UUID from a name."""
    digest = bytearray(hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=16).digest())
    digest[6] = digest[6] & 0x0F | 0x40
    digest[8] = digest[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(digest)))
