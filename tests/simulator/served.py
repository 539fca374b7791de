"""``python -m simulator`` as a process, and a signed client for it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import requests

from simulator.accounts.auth import load_or_create, signed_headers

ROOT = Path(__file__).resolve().parents[2]


class Served:
    """A running simulator; stop it with ``stop`` or ``kill``."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "simulator", "--credentials", str(folder / "credentials"), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(self.process.stderr.read() if self.process.stderr else "no answer")
        self.ready: dict[str, Any] = json.loads(line)
        self.key, self.private = load_or_create(Path(self.ready["credentials"]))
        self.http = requests.Session()
        self.url = f"http://127.0.0.1:{self.ready['port']}"

    def call(self, method: str, path: str, body: Any = None, timeout: float = 60.0, **query: Any) -> tuple[int, Any]:
        full = "/trade-api/v2" + path
        headers = signed_headers(self.key.key_id, self.private, method, full, int(time.time() * 1000))
        answer = self.http.request(method, self.url + full, params=query, json=body, headers=headers, timeout=timeout)
        return answer.status_code, answer.json() if answer.content else None

    def control(self, name: str, **body: Any) -> Any:
        answer = self.http.post(f"{self.url}/twin/{name}", json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def truth(self, sections: str = "") -> Any:
        return self.http.get(f"{self.url}/twin/truth", params={"sections": sections}, timeout=60).json()

    def stop(self) -> float:
        """SIGTERM; seconds until it was gone. The exit code is 0."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0
        self.http.close()
        return time.monotonic() - began

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(60)
        self.http.close()

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *failure: object) -> None:
        if self.process.poll() is None:
            self.kill()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def connect(self, session: aiohttp.ClientSession, **options: Any) -> Any:
        """A signed WebSocket connection."""
        path = "/trade-api/ws/v2"
        headers = signed_headers(self.key.key_id, self.private, "GET", path, int(time.time() * 1000))
        return session.ws_connect(self.ready["ws"], headers=headers, max_msg_size=0, **options)


async def frames_until(
    socket: aiohttp.ClientWebSocketResponse, wanted: int, seconds: float = 30.0
) -> list[dict[str, Any]]:
    """The next ``wanted`` text frames."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(seconds):
        while len(found) < wanted:
            message = await socket.receive()
            assert message.type is aiohttp.WSMsgType.TEXT, message
            found.append(json.loads(message.data))
    return found
