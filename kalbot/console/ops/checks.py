"""System checks: bad configuration is said in one sentence when a process starts, not found out when money is at stake."""

from __future__ import annotations

import os
import stat
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlparse

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from kalbot import environment
from kalbot.common.errors import SettingError
from markets.kalshi.environment import LOCAL, are_one_exchange
from markets.selectors import fee_grid
from triage.sources import jsonfeed, registry


def register_all() -> None:
    """Hang the checks into Django's; called once when the application is ready."""
    for check in CHECKS:
        register(check, "kalbot")


def require() -> None:
    """Before a process works: Django's own commands run the checks, but Celery ignores what they find. Raises SettingError."""
    found = errors()
    if found:
        raise SettingError(" ".join(found))


def require_secret() -> None:
    """Before pages are served: a key that everybody knows makes sessions that everybody can make. What else is wrong is shown on them.

    Raises SettingError.
    """
    for one in check_secret(None):
        if one.is_serious():
            raise SettingError(str(one.msg))


def errors() -> list[str]:
    """The sentences of what must not be."""
    return [str(one.msg) for check in CHECKS for one in check(None) if one.is_serious()]


@cache
def misread() -> tuple[str, ...]:
    """The sentences of variables that somebody set in vain; they stay as they are while the process lives."""
    return tuple(str(one.msg) for one in check_names(None))


def check_live(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Live trading needs a key."""
    has_key = settings.KALSHI_KEY_ID and (settings.KALSHI_PRIVATE_KEY_PATH or settings.KALSHI_PRIVATE_KEY)
    if settings.KALBOT_LIVE and not has_key:
        return [
            Error(
                "KALBOT_LIVE is true but there is no key: set KALSHI_KEY_ID and KALSHI_PRIVATE_KEY_PATH.",
                id="kalbot.E001",
            )
        ]
    return []


def check_key_file(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """There is one key with its id; its file is there, readable, a PEM private key, and nobody else's business."""
    in_place, has_file = bool(settings.KALSHI_PRIVATE_KEY), bool(settings.KALSHI_PRIVATE_KEY_PATH)
    if in_place and has_file:
        sentence = "KALSHI_PRIVATE_KEY_PATH and KALSHI_PRIVATE_KEY are both set; leave one of them out."
        return [Error(sentence, id="kalbot.E011")]
    if in_place and "PRIVATE KEY-----" not in settings.KALSHI_PRIVATE_KEY:
        return [Error("KALSHI_PRIVATE_KEY is not a private key in PEM form.", id="kalbot.E012")]
    if not has_file:
        return []
    path = Path(settings.KALSHI_PRIVATE_KEY_PATH)
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        return [Error(f"KALSHI_PRIVATE_KEY_PATH: {path} cannot be read ({error.strerror}).", id="kalbot.E002")]
    if "PRIVATE KEY-----" not in text:
        return [Error(f"KALSHI_PRIVATE_KEY_PATH: {path} is not a private key in PEM form.", id="kalbot.E003")]
    if os.name == "posix" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return [Warning(f"{path} can be read by others on this machine; chmod 600 it.", id="kalbot.W001")]
    return []


def check_fee_grid(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Fees are rounded to a grid that is an amount."""
    try:
        if fee_grid() > 0:
            return []
        sentence = "KALSHI_FEE_GRID must be more than nothing."
    except SettingError as error:
        sentence = str(error)
    return [Error(sentence, id="kalbot.E013")]


def check_folders(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """What is to be a folder is none of the other things that may be there."""
    found: list[CheckMessage] = []
    for name, folder in (("KALBOT_STATE", str(settings.STATE_DIR)), ("KALBOT_TAPE_DIR", settings.KALBOT_TAPE_DIR)):
        there = next((one for one in (Path(folder), *Path(folder).parents) if one.exists()), None)
        if folder and there is not None and not there.is_dir():
            found.append(Error(f"{name}: {there} is no folder.", id="kalbot.E014"))
    return found


def check_triage(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Every source that is named is one, and the feeds of one's own can be read."""
    found: list[CheckMessage] = []
    if unknown := registry.unknown_names():
        sentence = f"TRIAGE_SOURCES names sources that do not exist: {', '.join(sorted(unknown))}."
        found.append(Error(sentence, id="kalbot.E015"))
    try:
        jsonfeed.configured()
    except SettingError as error:
        sentence = " ".join(str(error).split()).rstrip(".")
        found.append(Error(f"{sentence}.", id="kalbot.E016"))
    return found


def check_redis(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The addresses of Redis are addresses of Redis, and messages and prices are on different databases."""
    found: list[CheckMessage] = []
    for name in ("REDIS_URL", "BROKER_URL", "PRICES_URL"):
        url = urlparse(getattr(settings, name))
        if url.scheme not in ("redis", "rediss", "unix") or not (url.hostname or url.path):
            found.append(Error(f"{name} is not an address of Redis; write redis://host:port.", id="kalbot.E004"))
    rest = urlparse(settings.REDIS_URL)
    derived = {settings.BROKER_URL, settings.PRICES_URL} & {f"{settings.REDIS_URL}/0", f"{settings.REDIS_URL}/1"}
    if not found and derived and rest.scheme != "unix" and (rest.path or rest.query):
        sentence = "REDIS_URL has a database number or options; only BROKER_URL and PRICES_URL may have them."
        found.append(Error(sentence, id="kalbot.E017"))
    if not found and _redis_database(settings.BROKER_URL) == _redis_database(settings.PRICES_URL):
        found.append(
            Error(
                "BROKER_URL and PRICES_URL are the same database of Redis; give prices one of their own.",
                id="kalbot.E005",
            )
        )
    return found


def _redis_database(url: str) -> tuple[str, int, str]:
    """Host, port and number (of a socket: its path and what else is said) that an address of Redis means."""
    parts = urlparse(url)
    if parts.scheme == "unix":
        return parts.path, 0, parts.query
    return parts.hostname or "", parts.port or 6_379, parts.path.strip("/") or "0"


def check_secret(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A console that others can reach needs a secret of its own and secure cookies."""
    if settings.SECRET_KEY.startswith("development-only") and (settings.KALBOT_LIVE or not local_only()):
        return [
            Error(
                "SECRET_KEY is the development one; set your own before going live or serving other hosts.",
                id="kalbot.E006",
            )
        ]
    if not local_only() and not settings.SECURE_COOKIES:
        return [
            Warning(
                "ALLOWED_HOSTS has public names but SECURE_COOKIES is off; switch it on behind HTTPS.", id="kalbot.W002"
            )
        ]
    return []


def check_exchange(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """REST and WebSocket belong to the same exchange, and unencrypted only on this machine."""
    rest, ws = urlparse(settings.KALSHI_REST_URL), urlparse(settings.KALSHI_WS_URL)
    if rest.scheme not in ("http", "https") or not rest.hostname:
        return [Error("KALSHI_REST_URL is not an http(s) address.", id="kalbot.E007")]
    if ws.scheme not in ("ws", "wss") or not ws.hostname:
        return [Error("KALSHI_WS_URL is not a ws(s) address.", id="kalbot.E008")]
    if not are_one_exchange(rest.hostname, ws.hostname):
        return [
            Error(
                f"KALSHI_REST_URL and KALSHI_WS_URL are of different exchanges ({rest.hostname}, {ws.hostname}).",
                id="kalbot.E009",
            )
        ]
    plain = [
        Error(f"{name} is not encrypted; orders or prices would be sent in the clear.", id="kalbot.E010")
        for name, url, scheme in (("KALSHI_REST_URL", rest, "http"), ("KALSHI_WS_URL", ws, "ws"))
        if url.scheme == scheme and url.hostname not in LOCAL
    ]
    return list(plain)


def check_names(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Every variable that looks like a setting is one."""
    return [
        Warning(
            f"{name} is no setting of this version and does nothing{f'; {meant} is one' if meant else ''}.",
            id="kalbot.W003",
        )
        for name, meant in environment.unread(os.environ).items()
    ]


def local_only() -> bool:
    """Whether the console answers to names of this machine only."""
    return set(settings.ALLOWED_HOSTS) <= {"localhost", "127.0.0.1", "[::1]", "testserver"}


CHECKS: Final = (
    check_live,
    check_key_file,
    check_fee_grid,
    check_folders,
    check_triage,
    check_redis,
    check_secret,
    check_exchange,
    check_names,
)
