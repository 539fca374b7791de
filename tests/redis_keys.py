"""Every key in Redis is under this installation's name, and ends by itself or has a reason why it does not."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

import redis

from kalbot.common.messages import QUEUES

WITHOUT_END: Final = {
    "px:q:*": "written thousands of times a second; `prune` deletes those of markets that are over (price_keys.py)",
    "px:e:*": "the same, of events",
    "px:fence:*": "a partition's number of leaders: one that began again would let an old leader write",
    "counters": "one hash: a metric counts up for as long as Redis keeps it, and its labels are names of the code",
    "console:tasks": "one hash: three numbers of each task of the code",
    "console:sent": "one hash: when each sender last sent something to each queue",
    "triage:lifecycle": "one number: up to where lifecycle messages were read",
    **dict.fromkeys(QUEUES, "messages that wait; they have an age of their own past which nobody acts on them"),
    "unreadable": "the newest 100 messages that nobody could read",
    "unacked": "Celery's messages in work; given back to their queue after ten minutes",
    "unacked_index": "the same",
    "_kombu.binding.*": "Celery's queues, as many as there are",
    "_kombu.binding_permanent.*": "the same",
    "_kombu.binding_deadlines": "when a worker's queue for remote control is forgotten; workers take out what is over",
    "*.pidbox": "Celery's replies to remote control",
}
"""Patterns of names behind the prefix, and why these keys have no end."""


ELSEWHERE: Final = "limit:"
"""Rate tokens are under the exchange's host and the key alone: it counts the requests of a key, whichever installation sends them."""


def problems(url: str, prefix: str) -> list[str]:
    """A sentence about each key of the server at ``url`` that is not as it must be."""
    return [problem for number in (0, 1) for problem in _problems(redis.Redis.from_url(f"{url}/{number}"), prefix)]


def _problems(client: redis.Redis, prefix: str) -> list[str]:
    names = [name.decode(errors="replace") for name in client.scan_iter(count=1_000)]
    with client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.ttl(name)
        lives = dict(zip(names, pipe.execute(), strict=True))
    found = [f"{name} is not under {prefix}" for name in names if not name.startswith((prefix, ELSEWHERE))]
    lasting = [name.removeprefix(prefix) for name, seconds in lives.items() if seconds == -1]
    return found + [f"{name} has no end" for name in lasting if not any(fnmatchcase(name, one) for one in WITHOUT_END)]
