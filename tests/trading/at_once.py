"""Work in threads that begin together, each with a connection to the database of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from django.db import connection


def at_once(work: Sequence[Callable[[], object]]) -> list[BaseException]:
    """What was raised, by whichever of them."""
    barrier, errors = threading.Barrier(len(work)), list[BaseException]()

    def run(act: Callable[[], object]) -> None:
        try:
            barrier.wait(timeout=60)
            act()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,)) for act in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=240)
    return errors
