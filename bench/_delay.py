"""A network between here and a server on this machine: a proxy on loopback that holds back every byte for a while.

``python -m bench._delay --target PATH --ms 1`` prints the port that it listens at; PATH is the server's socket.
"""

from __future__ import annotations

import argparse
import queue
import socket
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
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        far = socket.socket(socket.AF_UNIX)
        far.connect(target)
        for here, there in ((near, far), (far, near)):
            held: Held = queue.SimpleQueue()
            threading.Thread(target=_take, args=(here, held, delay_s), daemon=True).start()
            threading.Thread(target=_give, args=(there, held), daemon=True).start()


def _take(source: socket.socket, held: Held, delay_s: float) -> None:
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
    parser = argparse.ArgumentParser(prog="python -m bench._delay", description=__doc__)
    parser.add_argument("--target", required=True, help="host:port to which everything is passed on")
    parser.add_argument("--ms", type=float, required=True, help="one way")
    options = parser.parse_args()
    serve(options.target, options.ms / 1000)
