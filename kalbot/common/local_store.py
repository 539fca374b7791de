"""The few Redis commands that the engine uses, inside one process: what a replay has instead of a server.

Expiry goes by ``kalbot.common.clock``. A command that is not here raises ``redis.RedisError``, which callers read as a Redis that is
away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

import redis

from kalbot.common import clock

Value = bytes | str | int | float
MANY: Final = 10_000
"""Keys with an end, above which those that have expired are removed."""


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


class LocalPipeline:
    """Commands that are carried out together; nobody comes between them in a process of its own anyway."""

    def __init__(self, store: LocalStore) -> None:
        self._store = store
        self._answers: list[Any] = []

    def __enter__(self) -> LocalPipeline:
        return self

    def __exit__(self, *raised: object) -> None:
        self._answers.clear()

    def __getattr__(self, name: str) -> Any:
        command = getattr(self._store, name)

        def queue(*args: Any, **options: Any) -> LocalPipeline:
            self._answers.append(command(*args, **options))
            return self

        return queue

    def execute(self) -> list[Any]:
        """The answers, in order."""
        answers, self._answers = self._answers, []
        return answers


class LocalStore:
    """Keys with a time to live, and hashes."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self._hashes: dict[str, dict[bytes, bytes]] = {}
        self._ends: dict[str, int] = {}
        self._prune_at = MANY

    def get(self, key: str) -> bytes | None:
        """The value, or None when there is none or it has expired."""
        self._expire(key)
        return self._values.get(key)

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """``get`` of each."""
        return [self.get(key) for key in keys]

    def set(self, key: str, value: Value, ex: int | None = None, nx: bool = False) -> bool | None:
        """Keep ``value``, for ``ex`` seconds if given. ``nx``: only where there is none; None where there is."""
        if nx and self.get(key) is not None:
            return None
        self._values[key] = _bytes(value)
        self._ends.pop(key, None)
        if ex is not None:
            self._lives(key, ex)
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
        ends = self._ends.get(key)
        return -1 if ends is None else max(0, (ends - clock.now_ms()) // 1000)

    def delete(self, *keys: str) -> int:
        """Forget the keys."""
        return sum(self._forget(key) for key in keys)

    def hset(self, key: str, mapping: Mapping[str, Value]) -> int:
        """Set fields of a hash."""
        self._hash(key).update((name.encode(), _bytes(value)) for name, value in mapping.items())
        return len(mapping)

    def hincrby(self, key: str, field: str, amount: int) -> int:
        """Add to a number in a hash."""
        fields, name = self._hash(key), field.encode()
        total = int(fields.get(name, 0)) + amount
        fields[name] = _bytes(total)
        return total

    def hmget(self, key: str, fields: Sequence[str]) -> list[bytes | None]:
        """Some fields of a hash."""
        found = self.hgetall(key)
        return [found.get(field.encode()) for field in fields]

    def hgetall(self, key: str) -> dict[bytes, bytes]:
        """All fields of a hash."""
        self._expire(key)
        return dict(self._hashes.get(key, {}))

    def expire(self, key: str, seconds: int) -> bool:
        """Let what there is live for so long from now."""
        self._expire(key)
        if key not in self._values and key not in self._hashes:
            return False
        self._lives(key, seconds)
        return True

    def publish(self, channel: str, message: Value) -> int:
        """Nobody listens."""
        return 0

    def lock(self, name: str, **options: object) -> LocalLock:
        """See LocalLock."""
        return LocalLock()

    def pipeline(self, **options: object) -> LocalPipeline:
        """See LocalPipeline."""
        return LocalPipeline(self)

    def _hash(self, key: str) -> dict[bytes, bytes]:
        self._expire(key)
        return self._hashes.setdefault(key, {})

    def _lives(self, key: str, seconds: int) -> None:
        self._ends[key] = clock.now_ms() + seconds * 1000
        if len(self._ends) >= self._prune_at:  # what nobody asks for again goes as well
            for one in list(self._ends):
                self._expire(one)
            self._prune_at = max(MANY, 2 * len(self._ends))

    def _expire(self, key: str) -> None:
        ends = self._ends.get(key)
        if ends is not None and clock.now_ms() >= ends:
            self._forget(key)

    def _forget(self, key: str) -> bool:
        self._ends.pop(key, None)
        return self._values.pop(key, None) is not None or self._hashes.pop(key, None) is not None

    def __getattr__(self, name: str) -> Any:
        def absent(*args: object, **options: object) -> NoReturn:
            raise redis.ConnectionError(f"{name}: there is no Redis in a replay")

        return absent
