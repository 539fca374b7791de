"""The few Redis commands that the engine uses, inside one process: what a replay has instead of a server.

Expiry goes by ``kalbot.common.clock``. A command that is not here raises ``redis.RedisError``, which callers read as a Redis that is
away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import redis

from kalbot.common import clock

Value = bytes | str | int | float


def _bytes(value: Value) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


class LocalLock:
    """A lock among the threads of nobody: one process that does one thing at a time always gets it."""

    def acquire(self, **options: object) -> bool:
        """Always."""
        return True

    def reacquire(self) -> bool:
        """Always."""
        return True

    def release(self) -> None:
        """Nothing to do."""


class LocalStore:
    """Keys with a time to live, and hashes."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[bytes, int | None]] = {}
        self._hashes: dict[str, dict[bytes, bytes]] = {}

    def get(self, key: str) -> bytes | None:
        """The value, or None when there is none or it has expired."""
        value, expires = self._values.get(key, (None, None))
        return None if expires is not None and clock.now_ms() >= expires else value

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """``get`` of each."""
        return [self.get(key) for key in keys]

    def set(self, key: str, value: Value, ex: int | None = None) -> bool:
        """Keep ``value``, for ``ex`` seconds if given."""
        self._values[key] = (_bytes(value), None if ex is None else clock.now_ms() + ex * 1000)
        return True

    def getset(self, key: str, value: Value) -> bytes | None:
        """Keep ``value``; return the one before."""
        before = self.get(key)
        self.set(key, value)
        return before

    def ttl(self, key: str) -> int:
        """Seconds to live; -1 without an end, -2 without a value."""
        if self.get(key) is None:
            return -2
        expires = self._values[key][1]
        return -1 if expires is None else max(0, (expires - clock.now_ms()) // 1000)

    def delete(self, *keys: str) -> int:
        """Forget the keys."""
        return sum(self._values.pop(key, None) is not None or self._hashes.pop(key, None) is not None for key in keys)

    def hset(self, key: str, mapping: Mapping[str, Value]) -> int:
        """Set fields of a hash."""
        self._hashes.setdefault(key, {}).update((name.encode(), _bytes(value)) for name, value in mapping.items())
        return len(mapping)

    def hgetall(self, key: str) -> dict[bytes, bytes]:
        """All fields of a hash."""
        return dict(self._hashes.get(key, {}))

    def expire(self, key: str, seconds: int) -> bool:
        """Hashes are few and live as long as the process."""
        return key in self._hashes

    def publish(self, channel: str, message: Value) -> int:
        """Nobody listens."""
        return 0

    def lock(self, name: str, **options: object) -> LocalLock:
        """See LocalLock."""
        return LocalLock()

    def __getattr__(self, name: str) -> Any:
        def absent(*args: object, **options: object) -> NoReturn:
            raise redis.ConnectionError(f"{name}: there is no Redis in a replay")

        return absent
