"""Where an exchange lives. The simulator is one more environment, built from settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

REST_ROOT: Final = "/trade-api/v2"
WS_ROOT: Final = "/trade-api/ws/v2"
LOCAL: Final = frozenset({"127.0.0.1", "localhost", "::1"})
"""Names of this machine."""


@dataclass(frozen=True, slots=True)
class Environment:
    """One exchange: ``rest_url`` ends in ``/trade-api/v2``, ``ws_url`` in ``/trade-api/ws/v2``.

    Keys of one environment are worthless in another (docs/kalshi-protocol.md 1).
    """

    name: str
    rest_url: str
    ws_url: str

    def __post_init__(self) -> None:
        for url, schemes in ((self.rest_url, ("http", "https")), (self.ws_url, ("ws", "wss"))):
            parts = urlsplit(url)
            if parts.scheme not in schemes or not parts.hostname:
                raise ValueError(f"{url!r} is not a {' or '.join(schemes)} address")
            if parts.query or parts.fragment:
                raise ValueError(f"{url!r} must not carry a query or a fragment")

    @property
    def is_production(self) -> bool:
        """Real money: judged by the host, not by the name that somebody gave it."""
        return (urlsplit(self.rest_url).hostname or "").endswith(".kalshi.com")


PROD: Final = Environment(
    "prod",
    "https://external-api.kalshi.com" + REST_ROOT,
    "wss://external-api-ws.kalshi.com" + WS_ROOT,
)
DEMO: Final = Environment(
    "demo",
    "https://external-api.demo.kalshi.co" + REST_ROOT,
    "wss://external-api-ws.demo.kalshi.co" + WS_ROOT,
)


def from_settings(rest_url: str, ws_url: str) -> Environment:
    """The environment of two configured addresses. A bare host gets the API's own path (docs/kalshi-protocol.md 1).

    Raises ValueError for anything that is not an http(s) and a ws(s) address, and for two addresses of different exchanges: prices of
    one would move orders at the other.
    """
    rest, socket = rest_url.rstrip("/"), ws_url.rstrip("/")
    if urlsplit(rest).path == "":
        rest += REST_ROOT
    if urlsplit(socket).path == "":
        socket += WS_ROOT
    for known in (PROD, DEMO):
        if (rest, socket) == (known.rest_url, known.ws_url):
            return known
    hosts = [urlsplit(rest).hostname or "", urlsplit(socket).hostname or ""]
    found = Environment("local" if LOCAL.issuperset(hosts) else "custom", rest, socket)
    if not are_one_exchange(*hosts):
        raise ValueError(f"{hosts[0]} and {hosts[1]} are different exchanges")
    return found


def are_one_exchange(rest_host: str, ws_host: str) -> bool:
    """Whether two host names belong together: they are equal but for the ``-ws`` with which Kalshi marks the WebSocket's, or both are
    this machine."""
    first, dot, rest = ws_host.partition(".")
    return rest_host in (ws_host, f"{first.removesuffix('-ws')}{dot}{rest}") or LOCAL.issuperset((rest_host, ws_host))
