"""How long to wait before the next try: exponential, with jitter so that many clients do not return together."""

from __future__ import annotations

import random


class Backoff:
    """Waits that double from ``base`` to ``cap`` seconds; each is drawn from the upper half of its step.

    The same ``seed`` gives the same waits.
    """

    def __init__(self, base: float = 0.5, cap: float = 30.0, seed: int | None = None) -> None:
        self.base = base
        self.cap = cap
        self.tries = 0
        self._random = random.Random(seed)

    def next(self) -> float:
        """Seconds to wait now; counts the try."""
        step = min(self.cap, self.base * (1 << min(self.tries, 30)))
        self.tries += 1
        return step * (0.5 + self._random.random() / 2)

    def reset(self) -> None:
        """Something worked: start small again."""
        self.tries = 0
