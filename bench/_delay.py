"""A network between here and a server on this machine: a proxy on loopback that holds back every byte for a while.

``python -m bench._delay TARGET MILLISECONDS`` prints the port that it listens at. TARGET is a port of loopback or the path of a socket.
"""

from __future__ import annotations

import queue
import socket
import sys
import threading
import time
from typing import Final

CHUNK: Final = 65_536
Held = queue.SimpleQueue[tuple[float, bytes]]


def serve(target: str, delay_s: float) -> None:
    """Accept connections for ever; each way of each is ``delay_s`` long."""
    listening = socket.create_server(("127.0.0.1", 0))
    print(f"ready {listening.getsockname()[1]}", flush=True)
    while True:
        near, _ = listening.accept()
        far = _connected(target)
        for here, there in ((near, far), (far, near)):
            held: Held = queue.SimpleQueue()
            threading.Thread(target=_take, args=(here, held, delay_s), daemon=True).start()
            threading.Thread(target=_give, args=(there, held), daemon=True).start()


def _connected(target: str) -> socket.socket:
    if target.isdigit():
        found = socket.create_connection(("127.0.0.1", int(target)))
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return found
    found = socket.socket(socket.AF_UNIX)
    found.connect(target)
    return found


def _take(source: socket.socket, held: Held, delay_s: float) -> None:
    if source.family != socket.AF_UNIX:
        source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while True:
        try:
            data = source.recv(CHUNK)
        except OSError:
            data = b""
        held.put((time.monotonic() + delay_s, data))
        if not data:
            return


def _give(target: socket.socket, held: Held) -> None:
    while True:
        due, data = held.get()
        time.sleep(max(0.0, due - time.monotonic()))
        try:
            if not data:
                target.shutdown(socket.SHUT_WR)
                return
            target.sendall(data)
        except OSError:
            return


if __name__ == "__main__":
    serve(sys.argv[1], float(sys.argv[2]) / 1000)
