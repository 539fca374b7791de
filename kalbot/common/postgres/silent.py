"""Ends what Postgres does not end: a transaction whose client falls silent in the middle of a COPY.

While the server waits for rows neither ``statement_timeout`` nor the limit on pauses within a transaction counts. A process that is
frozen just there would keep its rows, and its turn at writing the catalogue, for as long as it is frozen.
"""

from __future__ import annotations

from typing import Final

from django.db import connection

from kalbot.common.db.bulk import COPIED

_END: Final = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
AND state = 'active' AND wait_event = 'ClientRead' AND query LIKE %s AND query_start < now() - make_interval(secs => %s)
"""


def end_copies() -> int:
    """End the connections whose COPY of ours has lasted longer than a statement may, and waits for its client; how many. Those of other
    programs (a restore) may take their time. Raises DatabaseError."""
    seconds = connection.settings_dict.get("ANSWER_SECONDS")
    if connection.vendor != "postgresql" or not seconds:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_END, [f"COPY {COPIED} %", seconds])
        return int(cursor.fetchone()[0])
