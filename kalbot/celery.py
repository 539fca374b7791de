"""The Celery application. Queues and routes are explicit: a typo in a route fails instead of making a queue."""

import gc
import inspect
import logging
import os
import sys
from collections.abc import Callable
from functools import cache, partial
from typing import Any, Final

import redis
from celery import Celery, Task, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kalbot.settings")

from kalbot.common import transport
from kalbot.common.db import connections
from kalbot.common.db.retry import retried
from kalbot.common.life import die_with_parent

MOST_STARTS: Final = 3
"""A message that ended its worker so often is dropped: sweepers and the next period do what is still wanted."""
SENDING_SECONDS: Final = 1.0
"""Most that sending one message waits for a broker that accepts and says nothing."""
COLLECTS_AFTER: Final = (20_000, 10, 10)
"""Python's own is 700: a worker that remembers a catalogue would be halted for it again and again in mid purchase."""
SWITCH_SECONDS: Final = 0.0005
"""How long a thread of a worker may hold up another that is ready; with Python's 5 ms a long cycle would delay a purchase beside it."""
log = logging.getLogger(__name__)


class BoundedTask(Task):  # type: ignore[type-arg]  # generic in its stubs alone
    """A task whose message cannot end one worker after the other (redelivered too often, it is logged and dropped), and which runs
    again when the database gave up a transaction of it: every task may run twice, because a message may come twice.

    A newer version beside this one may send positional arguments that this one does not know. They are left out: what is appended is a
    hint that saves time. What must not be left out is sent by keyword, and then a worker that does not know it refuses (TypeError).
    """

    Request = "kalbot.common.expiry:Request"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it, unless it was started too often already."""
        info = self.request.delivery_info or {}
        if info.get("redelivered") and _starts(self.request.id) >= MOST_STARTS:
            log.error("task %s dropped: its workers ended %s times before it did", self.name, MOST_STARTS)
            return None
        known = _positional(self.run)
        if len(args) > known:
            log.warning(
                "task %s was sent %s arguments and knows %s; the others are left out", self.name, len(args), known
            )
        return retried(partial(super().__call__, *args[:known], **kwargs))


@cache
def _positional(run: Callable[..., Any]) -> int:
    """How many positional arguments ``run`` takes at most."""
    kinds = [parameter.kind for parameter in inspect.signature(run).parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return sys.maxsize
    return len([kind for kind in kinds if kind is not inspect.Parameter.KEYWORD_ONLY])


def _starts(task_id: str | None) -> int:
    """How often a redelivered message was started, with its first time; counted by this call. 1 when Redis is away."""
    from kalbot.common import cache as store

    name = store.key(f"starts:{task_id}")
    try:
        with store.broker().pipeline() as pipe:
            pipe.incr(name)
            pipe.expire(name, 86_400)
            return int(pipe.execute()[0])
    except redis.RedisError:
        return 1


class Application(Celery):
    """Who sends must not wait as long as who receives: a page, or a purchase, stands still meanwhile."""

    def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
        """See Celery."""
        brief = {"socket_timeout": SENDING_SECONDS, "socket_connect_timeout": SENDING_SECONDS}
        return super().connection_for_write(
            url, **{"transport_options": brief, "connect_timeout": SENDING_SECONDS, **options}
        )


transport.register()
app = Application("kalbot", task_cls=BoundedTask)
app.set_default()  # in every thread: ``celery.current_app`` is this one
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.setup_logging.connect
def keep_logging(**kwargs: object) -> None:
    """Django has configured logging. With a receiver here Celery leaves it alone, else its own level would replace LOG_LEVEL."""


@signals.worker_process_init.connect
def end_with_the_worker(**kwargs: object) -> None:
    """The processes of a worker's pool end with it, however it ends: one that is killed because it hangs must leave nothing that hangs."""
    die_with_parent()


@signals.task_prerun.connect
def check_connections(sender: Any = None, **kwargs: object) -> None:
    """Connections to the database live on from task to task as long as they work (see ``CELERY_DB_REUSE_MAX``)."""
    if not sender.request.is_eager:
        connections.before_task()


@signals.task_postrun.connect
def leave_connections(sender: Any = None, **kwargs: object) -> None:
    """The same after a task."""
    if not sender.request.is_eager:
        connections.after_task()


@signals.worker_ready.connect
@signals.worker_process_init.connect
def collect_less(**kwargs: object) -> None:
    """What is loaded by now stays loaded: the garbage collector need not visit it, and the rest less often."""
    gc.freeze()
    gc.set_threshold(*COLLECTS_AFTER)


@signals.worker_ready.connect
@signals.worker_process_init.connect
def switch_sooner(**kwargs: object) -> None:
    """A price or a purchase does not wait long for what another thread computes."""
    sys.setswitchinterval(SWITCH_SECONDS)
