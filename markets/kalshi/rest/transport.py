"""One HTTP request: tokens, a fresh signature, the answer, and what a failure means for a read and for a
write."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import msgspec
import requests

from ..backoff import Backoff
from ..clock_skew import Clock, SkewMeter, now_ms
from ..environment import Environment
from ..errors import CredentialError, KalshiError, OutcomeUnknown, RateLimited, Unreachable
from ..refusals import is_definite, refusal
from ..signing import Signer
from ..token_buckets import UNSCOPED, Costs, Kind, Limiter, LocalLimiter
from .deadline import LARGEST_ANSWER, DeadlineAdapter, within
from .failures import describe, nothing_was_sent

Params = Mapping[str, Any] | Sequence[tuple[str, Any]]

Check = Callable[[], None]
"""Called just before a write is signed, each time: raises what its caller wants if it must not leave any more."""


def allow() -> None:
    """The check of a write that nothing stands against."""


READ_TRIES: Final = 4
WRITE_TRIES: Final = 3
"""Tries of a write that keeps being refused for want of tokens; any other answer ends it."""
ANSWER_SECONDS: Final = 12.0
"""For a whole answer; ``timeout`` is for each byte of it."""
CHUNK: Final = 1 << 16
READ_TOKEN_WAIT: Final = 30.0
WRITE_TOKEN_WAIT: Final = 2.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of an answer that came whole."""

    status: int
    body: bytes


class Transport:
    """Sends requests to one environment with at most one key.

    Not to be shared between threads (requests' rule).
    """

    def __init__(
        self,
        environment: Environment,
        signer: Signer | None = None,
        limiter: Limiter | None = None,
        session: requests.Session | None = None,
        timeout: tuple[float, float] = (3.05, 5.0),
        clock: Clock = now_ms,
        sleep: Callable[[float], None] = time.sleep,
        seed: int | None = None,
    ) -> None:
        self.environment = environment
        self.signer = signer
        self.limiter: Limiter = limiter or LocalLimiter()
        self.costs = Costs()
        self.skew = SkewMeter()
        self.timeout = timeout
        self.answer_seconds = ANSWER_SECONDS
        self._session = session or plain_session()
        self._clock = clock
        self.sleep = sleep
        self._seed = seed
        self._known: dict[tuple[str, str], requests.PreparedRequest] = {}

    def read(
        self,
        route: str,
        *,
        path: Mapping[str, str] | None = None,
        params: Params | None = None,
        private: bool = False,
        kind: Kind = "read",
        also_accept: frozenset[int] = frozenset(),
    ) -> bytes:
        """The body of a GET, tried again with jitter on lost connections, 408, 429 and 5xx.

        ``private`` needs a key and is signed; what is public is not, which costs half the time. Statuses in ``also_accept``
        count as answers. Raises Rejected for a definite refusal, Unreachable when every try failed.
        """
        backoff = Backoff(base=0.2, cap=5.0, seed=self._seed)
        cost = self.costs.of("GET", route)
        failure: KalshiError = Unreachable("no try was made")
        for attempt in range(READ_TRIES):
            if attempt:
                self.sleep(backoff.next())
            self.limiter.acquire(kind if private else "public", cost, UNSCOPED, timeout=READ_TOKEN_WAIT)
            try:
                answer = self._send("GET", route, path, params, None, private)
            except requests.RequestException as error:
                failure = Unreachable(f"GET {route}: {describe(error)}")
                continue
            status = answer.status
            if 200 <= status < 300 or status in also_accept:
                return answer.body
            if status < 400:
                raise Unreachable(f"GET {route}: unexpected status {status}", status)
            refused = refusal(status, answer.body)
            if status >= 500 or not is_definite(refused):
                failure = Unreachable(f"GET {route}: {refused}", status)
            elif isinstance(refused, RateLimited):
                self.limiter.refused("read")
                failure = refused
            else:
                raise refused
        raise failure

    def write(
        self,
        method: str,
        route: str,
        *,
        path: Mapping[str, str] | None = None,
        params: Params | None = None,
        body: Mapping[str, Any] | None = None,
        shard: int | None = UNSCOPED,
        items: int = 1,
        keep_back: int = 0,
        check: Check = allow,
    ) -> bytes:
        """The body of a write. It is sent once, and again only after a 429, which says that nothing was done.

        ``check`` is called before each try, after the wait for tokens; what it raises ends the write. ``shard`` says
        which bucket pays (token_buckets.py), ``items`` the length of a batch. Raises Rejected when nothing
        happened, Unreachable when nothing was sent, OutcomeUnknown when it may have happened.
        """
        cost = self.costs.of(method, route, items)
        payload = None if body is None else msgspec.json.encode(body)
        backoff = Backoff(base=0.1, cap=1.0, seed=self._seed)
        for attempt in range(WRITE_TRIES):
            self.limiter.acquire("write", cost, shard, keep_back=keep_back, timeout=WRITE_TOKEN_WAIT)
            try:
                return self._write_once(method, route, path, params, payload, check)
            except RateLimited:
                self.limiter.refused("write")
                if attempt == WRITE_TRIES - 1:
                    raise
            self.sleep(backoff.next())
        raise AssertionError("the last try returns or raises")

    def _write_once(
        self,
        method: str,
        route: str,
        path: Mapping[str, str] | None,
        params: Params | None,
        payload: bytes | None,
        check: Check,
    ) -> bytes:
        try:
            answer = self._send(method, route, path, params, payload, private=True, check=check)
        except requests.RequestException as error:
            text = f"{method} {route}: {describe(error)}"
            raise (Unreachable(text) if nothing_was_sent(error) else OutcomeUnknown(text)) from error
        status = answer.status
        if 200 <= status < 300:
            return answer.body
        if status < 400:
            raise OutcomeUnknown(f"{method} {route}: unexpected status {status}", status)
        refused = refusal(status, answer.body)
        if is_definite(refused):
            raise refused
        raise OutcomeUnknown(f"{method} {route}: {refused}", status)

    def close(self) -> None:
        """Close the kept connections."""
        self._session.close()

    def _send(
        self,
        method: str,
        route: str,
        path: Mapping[str, str] | None,
        params: Params | None,
        payload: bytes | None,
        private: bool,
        check: Check = allow,
    ) -> Answer:
        if private and self.signer is None:
            raise CredentialError(f"{method} {route} needs an API key, and this client has none.")
        prepared, signed_path = self._prepared(method, route, path, params, payload)
        # The time that is signed is read before the check: a process that is stopped after it wakes up with an old signature.
        sent = self._clock()
        check()
        if private and self.signer is not None:
            prepared.headers.update(self.signer.headers(method, signed_path, sent))
        answer, body = self._exchanged(prepared)
        if "Age" not in answer.headers:
            self.skew.observe(answer.headers.get("Date"), sent, self._clock())
        return Answer(answer.status_code, body)

    def _prepared(
        self, method: str, route: str, path: Mapping[str, str] | None, params: Params | None, payload: bytes | None
    ) -> tuple[requests.PreparedRequest, str]:
        """The request without a signature, and the path that is signed. What is the same for all requests of a route is prepared once:
        requests takes longer for it than everything else here."""
        filled = route.format_map({k: quote(v, safe="") for k, v in (path or {}).items()})
        known = None if path else self._known.get((method, route))
        if known is None:
            known = self._session.prepare_request(requests.Request(method, self.environment.rest_url + filled))
        if not path:
            self._known[method, route] = known
        prepared, query = copy(known), clean(params)
        prepared.headers = known.headers.copy()
        if query:
            prepared.url = f"{known.url}?{urlencode(query)}"
        if payload is not None:
            prepared.headers.update({"Content-Type": "application/json", "Content-Length": str(len(payload))})
            prepared.body = payload
        return prepared, urlsplit(known.url or "").path

    def _exchanged(self, prepared: requests.PreparedRequest) -> tuple[requests.Response, bytes]:
        """Send it and read the whole answer. Whatever fails from here on is a RequestException: the libraries raise others at some
        answers (a chunk of negative length), and an answer that broke them says nothing about what was done."""
        try:
            with within(self.answer_seconds):
                answer = self._session.send(prepared, timeout=self.timeout, allow_redirects=False, stream=True)
                with answer:
                    body = whole_body(answer.iter_content(CHUNK))
        except requests.RequestException:
            raise
        except Exception as error:
            self._session.close()
            raise requests.RequestException(f"an answer that cannot be read: {describe(error)}") from error
        if answer.status_code < 200:
            self._session.close()  # the final answer is still to come: it must not be taken for the next request's
        return answer, body


def whole_body(chunks: Iterable[bytes]) -> bytes:
    """The body of an answer, unpacked. Raises a RequestException for one that grows without end, however small it came."""
    kept, size = [], 0
    for chunk in chunks:
        size += len(chunk)
        if size > LARGEST_ANSWER:
            raise requests.exceptions.ContentDecodingError(f"an answer of more than {LARGEST_ANSWER} bytes")
        kept.append(chunk)
    return b"".join(kept)


def plain_session() -> requests.Session:
    """A keep-alive session that takes nothing from the surroundings (no proxies, no .netrc) and keeps no cookies, which would grow every
    request. Pass your own to differ."""
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("http://", "https://"):
        session.mount(scheme, DeadlineAdapter())
    session.headers.update({"Accept": "application/json", "User-Agent": "kalbot"})
    return session


def clean(params: Params | None) -> list[tuple[str, str]]:
    """Query pairs as the exchange reads them: absent values left out, booleans in lower case."""
    if params is None:
        return []
    pairs = params.items() if isinstance(params, Mapping) else params
    return [(k, str(v).lower() if isinstance(v, bool) else str(v)) for k, v in pairs if v is not None]
