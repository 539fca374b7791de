"""Both ends of a TLS connection over any socket, with a certificate made for the test."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

from bench.streaming.stage import certificate


def server_side(sock: socket.socket, folder: Path) -> socket.socket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(folder))
    return context.wrap_socket(sock, server_side=True)


def client_side(sock: socket.socket) -> socket.socket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(sock)
