"""Task messages for which a price or a purchase waits, put together without Celery's producer.

Celery builds each message from some thirty options of which ours use none, describes its arguments for logs, copies exchange and queue and
makes a client: about a millisecond. Here the same message is filled in and pushed to the same list; for a worker there is no difference.
"""

from __future__ import annotations

import base64
import json
import os
import socket
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final
from uuid import uuid4

from kalbot.common import cache as store

_EMBEDDED: Final = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
DESCRIBED: Final = 200
"""Characters of its arguments that a message shows to whoever reads logs."""


def push(name: str, queue: str, args: Sequence[Any]) -> None:
    """Send the task ``name`` with ``args`` to ``queue``. Raises redis.RedisError, and TypeError for what JSON does not have."""
    store.broker().lpush(store.key(queue), json.dumps(message(name, queue, args)))


def message(name: str, queue: str, args: Sequence[Any]) -> Mapping[str, Any]:
    """What the broker keeps of a message: Celery's second protocol in the envelope of kombu's transport for Redis."""
    number = str(uuid4())
    body = json.dumps([list(args), {}, _EMBEDDED]).encode()
    return {
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py",
            "task": name,
            "id": number,
            "shadow": None,
            "eta": None,
            "expires": None,
            "group": None,
            "group_index": None,
            "retries": 0,
            "timelimit": [None, None],
            "root_id": number,
            "parent_id": None,
            "argsrepr": repr(tuple(args))[:DESCRIBED],
            "kwargsrepr": "{}",
            "origin": _origin(os.getpid()),
            "ignore_result": False,
            "replaced_task_nesting": 0,
            "stamped_headers": None,
            "stamps": {},
        },
        "properties": {
            "correlation_id": number,
            "reply_to": number,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid4()),
        },
    }


@cache
def _origin(process: int) -> str:
    return f"gen{process}@{socket.gethostname()}"
