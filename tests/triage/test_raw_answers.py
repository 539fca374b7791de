"""Bodies as bytes: what is no JSON, or JSON of odd kinds, is a source error in words or costs only the value that it spoils."""

from __future__ import annotations

import gzip
import json
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.triage.test_odd_answers import READERS
from triage.sources import fetch
from triage.sources.fetch import PoliteClient
from triage.sources.protocol import SourceError


@contextmanager
def serving(body: bytes, encoding: str = "") -> Iterator[str]:
    """The address of a server that answers everything with ``body``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            if encoding:
                self.send_header("Content-Encoding", encoding)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def got(body: bytes, encoding: str = "") -> Any:
    with serving(body, encoding) as address:
        return PoliteClient(10).get_json(f"{address}/x")


WHOLE = {"a": [1, {"b": "c"}], "t": 71.5}


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"\xef\xbb\xbf" + json.dumps(WHOLE).encode(), ""),
        (json.dumps(WHOLE).encode("utf-16"), ""),
        (gzip.compress(json.dumps(WHOLE).encode()), "gzip"),
    ],
    ids=["byte order mark", "two bytes a letter", "gzip"],
)
def test_a_body_is_read_however_it_is_packed(body: bytes, encoding: str, redis_db: object) -> None:
    assert got(body, encoding) == WHOLE


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"<html><body>Service unavailable</body></html>", ""),
        (b"", ""),
        (json.dumps(WHOLE).encode()[:-3], ""),
        (gzip.compress(json.dumps(WHOLE).encode() * 50)[:60], "gzip"),
        (json.dumps(WHOLE).encode(), "gzip"),
        (b"[" * 200_000, ""),
        (b"9" * 5_000, ""),
        (b'{"a": "\xff\xfe"}', ""),
        (b'{"a": 1} {"a": 2}', ""),
    ],
    ids=["html", "nothing", "cut", "cut gzip", "no gzip", "nested without end", "endless digits", "no text", "two"],
)
def test_a_body_that_cannot_be_read_is_a_source_error(
    body: bytes, encoding: str, redis_db: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "TRIES", 1)
    with pytest.raises(SourceError):
        got(body, encoding)


def test_a_key_that_comes_twice_is_unknown_and_the_rest_stands(redis_db: object) -> None:
    body = b'{"a": 1, "b": {"t": 71, "t": 88, "u": 5, "u": 5}, "n": NaN, "n": NaN, "o": 1, "o": true}'
    found = got(body)
    assert math.isnan(found.pop("n"))
    assert found == {"a": 1, "b": {"t": None, "u": 5}, "o": None}


@pytest.mark.parametrize("name", READERS)
def test_numbers_that_are_none_spoil_no_more_than_themselves(name: str) -> None:
    """JSON as Python reads it has NaN, Infinity and integers of any length: at every number of every recorded answer."""
    document, read = READERS[name]
    text = json.dumps(document)
    for odd in (math.nan, -math.inf, float(10**308), -0.0, 1e-320):

        def instead(_: str, odd: float = odd) -> float:
            return odd

        with suppress(SourceError):
            read(json.loads(text, parse_float=instead, parse_int=instead))
