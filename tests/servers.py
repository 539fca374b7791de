"""Loaded by pytest before Django's settings: gives the run a real Redis, a folder of its own and, on request, a real Postgres.

``REDIS_URL`` and ``DATABASE_URL`` of the caller are used when they are set. ``KALBOT_TEST_DATABASE=postgres`` starts an
embedded Postgres. Each xdist worker gets its own Redis, so that tests in parallel never see each other's keys.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from kalbot.local.servers import RunningRedis, start_postgres, start_redis

REDIS: RunningRedis | None = None
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")


def _prepare() -> None:
    global REDIS
    folder = Path(tempfile.mkdtemp(prefix=f"kalbot-test-{WORKER}"))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["KALBOT_STATE"] = str(folder)
    os.environ["KALBOT_ENV_FILE"] = ""  # a person's .env names what the tests must never touch
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    if "REDIS_URL" not in os.environ or os.environ.get("KALBOT_TEST_REDIS") == "own":
        REDIS = start_redis(folder / "redis")
        os.environ["REDIS_URL"] = REDIS.url
        os.environ["KALBOT_TEST_REDIS"] = "own"
        atexit.register(REDIS.stop)
    if os.environ.get("KALBOT_TEST_DATABASE") == "postgres" and "DATABASE_URL" not in os.environ:
        server, url = start_postgres(folder / "postgres", durable=False)
        os.environ["DATABASE_URL"] = url
        atexit.register(server.cleanup)


_prepare()
