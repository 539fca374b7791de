"""A request without an answer is described in words, and what never left is kept apart from what may have arrived."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
import requests

from markets.kalshi.rest.failures import describe, nothing_was_sent


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes a connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def closing() -> Iterator[str]:
    """A server that reads a request and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            connection.recv(1_000)
            connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


def _error(address: str) -> requests.RequestException:
    with pytest.raises(requests.RequestException) as raised:
        requests.get(address, timeout=0.5)
    return raised.value


def test_a_server_that_is_away_was_sent_nothing() -> None:
    error = _error("http://127.0.0.1:1/events")
    assert describe(error) == "no connection: Failed to establish a new connection: [Errno 111] Connection refused"
    assert nothing_was_sent(error)


def test_a_server_that_says_nothing_may_have_had_it(silent: str) -> None:
    error = _error(f"http://{silent}/events")
    assert describe(error) == "no answer within 0.5 s"
    assert not nothing_was_sent(error)


def test_a_server_that_hangs_up_may_have_had_it(closing: str) -> None:
    error = _error(f"http://{closing}/events")
    assert describe(error).startswith("no connection: ('Connection aborted.'")
    assert not nothing_was_sent(error)


def test_an_address_that_is_none_has_its_name() -> None:
    assert describe(_error("nonsense")).startswith("MissingSchema: Invalid URL 'nonsense'")
