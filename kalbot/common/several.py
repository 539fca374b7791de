"""Work in several processes of this machine. They begin with nothing: no model may be imported before Django is set up in them, so what
sets it up stands in a module without one."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from kalbot.common.life import die_with_parent


def processes(count: int) -> ProcessPoolExecutor:
    """A pool of ``count`` processes in which Django is set up; they end when this one does. What they are given is pickled."""
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_set_up)


def _set_up() -> None:
    die_with_parent()
    import django

    django.setup()
