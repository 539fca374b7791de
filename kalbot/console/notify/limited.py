"""Work of somebody else's code that must end: a service may answer a byte a second, or for ever, and no timeout of a read sees it."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


class Late(BaseException):
    """Raised in the thread whose time is over. No ``except Exception`` on its way keeps it."""


def limited(work: Callable[[], Result], seconds: float) -> Result:
    """What ``work`` returns or raises; TimeoutError when it takes longer. ``work`` runs in a thread of its own, which is then ended at
    its next step in Python: a wait inside of one read or write goes on until that has its own timeout."""
    results: list[Result] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(work())
        except Late:
            return
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="limited", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if results:
        return results[0]
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Late))
    raise TimeoutError
