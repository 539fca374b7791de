"""Reading the environment strictly: what cannot be read, a comment inside a value, an unreplaced placeholder stop the start.

Values come from the process's environment, from ``.env`` in the project's root, or from the file that ``NAME_FILE`` names.
``KALBOT_ENV_FILE`` names another file than ``.env``, and none when it is empty: the demo and the tests must not work with production's.
"""

from __future__ import annotations

import builtins
import os
import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping

from kalbot.common import life

ROOT: Final = Path(__file__).resolve().parent.parent
BOOLEANS: Final = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
    "": False,
}
COMMENT: Final = re.compile(r"(^|\s)#")
QUOTED: Final = re.compile(r"([\"']).*\1", re.DOTALL)
DIGITS: Final = 15
"""More have no meaning in any setting."""
NUMBER: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
PLACEHOLDER: Final = re.compile(
    r"(change|replace)[-_ ]?(me|this|it)|(replace|generate|put|insert|enter|set|paste)[-_ ](me|this|it|an?|your|some|with)\b"
    r"|place[-_ ]?holder|example|your[-_ ]|insecure|development-only|[-_ ]here\b|\b(todo[:\s]|fixme|dummy[-_ ]|sample[-_ ])"
    r"|(long|very)[-_ ]random|super[-_ ]?secret|my[-_ ]?secret|secret[-_ ]?key"
    r"|^(?P<one>.)(?P=one)*$|^\W*$|^<.*>$|^\$?\{.*\}$|^\$\(.*\)$"
    r"|^(postgres|kalbot|admin|root|user|guest|test|pass(word|wd)?|secret|letmein|qwerty\w*|0?1234\d*)\d*$",
    re.IGNORECASE,
)
"""Words of examples, instructions and of every list of first guesses. A random secret of ours meets none of them."""
SHORTEST_SECRET: Final = 32
LONGEST_INTERVAL: Final = 86_400
SQLITE: Final = "kalbot.common.sqlite"
"""Django's backend for it."""
KEEPALIVE: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
"""Of every connection to Postgres, in libpq's words and units: seconds, and milliseconds for the last."""
ELSEWHERE: Final = frozenset(
    {
        *("KALBOT_API_TOKEN", "KALBOT_API_URL", "KALBOT_ENV_FILE", "KALBOT_GID", "KALBOT_SHARED", "KALBOT_UID"),
        *(
            "KALBOT_FAMILY_SEEDS",
            "KALBOT_FAULT_SEEDS",
            "KALBOT_HARSH_SEEDS",
            "KALBOT_QUOTED_SEEDS",
            "KALBOT_SCREENSHOTS",
        ),
        *("KALBOT_TEST_DATABASE", "KALBOT_TEST_MARK", "KALBOT_TEST_REDIS"),
    }
)
"""Names of ours that something else than the settings reads: compose, the terminal's client, the tests."""
OURS: Final = ("KALBOT_", "KALSHI_")
ALIKE: Final = 0.9
"""Another name that is like one of ours by so much is a slip of the pen."""
READ: Final[set[str]] = set()
"""The names that were read so far."""
D = TypeVar("D", float, None)


class Environment(environ.FileAwareEnv):
    """django-environ's, without surprises: what compose and other readers take for a part of the value is refused here too."""

    ENVIRON = FileAwareMapping(cache=False)

    def get_value(self, var: Any, *args: Any, **options: Any) -> Any:
        """The value of ``var``, without white space around it. ImproperlyConfigured for a value with a comment in it."""
        READ.add(str(var))
        try:
            raw = self.ENVIRON.get(var)
        except OSError as error:
            raise ImproperlyConfigured(f"{var}_FILE: {error.filename} cannot be read ({error.strerror}).") from None
        except UnicodeDecodeError:
            raise ImproperlyConfigured(f"{var}_FILE: {os.environ[f'{var}_FILE']} is not text in UTF-8.") from None
        if isinstance(raw, str) and os.environ.get(str(var), "").strip() not in ("", raw.strip()):
            raise ImproperlyConfigured(f"{var} and {var}_FILE are both set and differ; leave one of them out.")
        if isinstance(raw, str) and COMMENT.search(raw):
            raise ImproperlyConfigured(f"{var} has a comment in its value; write comments on lines of their own.")
        if isinstance(raw, str) and QUOTED.fullmatch(raw.strip()):
            raise ImproperlyConfigured(f"{var} has quotes around its value; leave them out.")
        if isinstance(raw, str) and raw.startswith(
            "$"
        ):  # a secret may; the package would take it for the name of another variable
            return self.parse_value(raw.strip(), options.get("cast"))
        value = super().get_value(var, *args, **options)
        return value.strip() if isinstance(value, str) else value

    def int(self, var: str, default: Any, least: builtins.int, most: builtins.int) -> builtins.int:
        """A whole number between two others, which also notice one in another unit. ImproperlyConfigured for anything else."""
        text = self.get_value(var, default=str(default))
        if not (text.isascii() and text.isdigit() and len(text) <= DIGITS):
            raise ImproperlyConfigured(f"{var} must be a whole number; it is {text!r}.")
        if not least <= int(text) <= most:
            raise ImproperlyConfigured(f"{var} must be between {least} and {most}; it is {text}.")
        return int(text)


LINE: Final = re.compile(r"\s*(#.*)?|(export )?[A-Za-z_]\w*=.*")


def require_lines(file: Path) -> None:
    """ImproperlyConfigured for a file of settings that cannot be read, or with a line that readers leave out: it was meant, and is not
    read. Never shows it."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise ImproperlyConfigured(f"The file of settings, {file}, cannot be read ({why}).") from None
    for number, line in enumerate(lines, 1):
        if not LINE.fullmatch(line):
            raise ImproperlyConfigured(
                f"Line {number} of {file} is not NAME=value; write no spaces before or around the =."
            )


def read_file(file: Path) -> None:
    """What ``file`` sets and the environment does not, into the environment. A real variable wins over its ``NAME_FILE`` there, and a real
    ``NAME_FILE`` over ``NAME``. ImproperlyConfigured for a file that cannot be read."""
    require_lines(file)
    real = {name for name, value in os.environ.items() if value}
    env.read_env(file)
    for name in set(os.environ) - real:
        if (name.endswith("_FILE") and name.removesuffix("_FILE") in real) or f"{name}_FILE" in real:
            del os.environ[name]


env = Environment()
FILE: Final = life.environment_file()
if FILE is not None and (FILE.exists() or os.environ.get("KALBOT_ENV_FILE")):
    read_file(FILE)


def unread(names: Iterable[str]) -> dict[str, str]:
    """{name: the setting that was probably meant, or empty} of those of ``names`` that look like settings of ours and are none: of another
    version, or misspelt. They do nothing, and somebody thinks that they do."""
    found = {}
    for name in sorted(names):
        bare = name.removesuffix("_FILE")
        if not {name, bare}.isdisjoint(READ | ELSEWHERE):
            continue
        meant = get_close_matches(bare, sorted(READ), 1, ALIKE)
        if meant or bare.startswith(OURS):
            found[name] = meant[0] if meant else ""
    return found


def boolean(name: str, default: bool) -> bool:
    """A boolean of the environment. ImproperlyConfigured for a word that is neither yes nor no."""
    text = env.str(name, str(default)).strip().lower()
    if text not in BOOLEANS:
        raise ImproperlyConfigured(f"{name} must be true or false; it is {text!r}.")
    return BOOLEANS[text]


def positive(name: str, default: D, least: float, most: float) -> float | D:
    """A positive number within bounds, ``default`` when it is absent or empty. ImproperlyConfigured for anything else."""
    text = env.str(name, "").strip()
    if not text:
        return default
    value = float(text) if NUMBER.fullmatch(text) else 0.0
    if not value > 0:
        raise ImproperlyConfigured(f"{name} must be a positive number; it is {text!r}.")
    if not least <= value <= most:
        raise ImproperlyConfigured(f"{name} must be between {least:g} and {most:g}; it is {text}.")
    return value


def whole_seconds(name: str) -> int | None:
    """An interval of the environment in whole seconds, 2 to a day; None when it is absent or empty."""
    text = env.str(name, "").strip()
    if text and not (text.isascii() and text.isdigit() and len(text) <= DIGITS and 2 <= int(text) <= LONGEST_INTERVAL):
        raise ImproperlyConfigured(
            f"{name} must be a whole number of seconds, 2 to {LONGEST_INTERVAL}; it is {text!r}."
        )
    return int(text) if text else None


def address(name: str, default: str, *schemes: str) -> str:
    """An address whose host and port can be read, of one of ``schemes`` (none: of any) unless it is empty or the default.
    ImproperlyConfigured for anything else. Never shows it: there may be a password in it."""
    text: str = env.str(name, default)
    try:
        parts = urlsplit(text)
        readable = parts.port != 0
    except ValueError:
        readable = False
    if not readable:
        raise ImproperlyConfigured(f"{name} is no address that can be read; its host or its port is none.")
    if schemes and text not in ("", default) and not (parts.scheme in schemes and parts.hostname):
        begins = " or ".join(f"{one}://" for one in schemes)
        raise ImproperlyConfigured(f"{name} must be an address that begins with {begins}, with a host behind it.")
    return text


def require_postgres(address: str) -> None:
    """ImproperlyConfigured for the address of a database of another kind, or that cannot be read, before a library repeats it with its
    password."""
    try:
        parts = urlsplit(address)
        is_postgres = parts.scheme in ("postgres", "postgresql") and parts.port != 0 and len(parts.path) > 1
    except ValueError:
        is_postgres = False
    if not is_postgres and not address.startswith("sqlite://"):
        raise ImproperlyConfigured(
            "DATABASE_URL must be an address of Postgres: postgres://user:password@host:5432/name; what is no letter or digit of the"
            " password is written as %XX."
        )


def database(found: dict[str, Any], seconds: int) -> dict[str, Any]:
    """Django's entry for the database of an address. On Postgres no statement, no wait for a lock and no pause within a transaction takes
    more than ``seconds`` (0: any time), and a host that is gone is noticed in half a minute. What is kept there
    (``common.pipeline``) is planned once a connection, and never compiled to machine code, which takes longer than running it."""
    if found["ENGINE"] == "django.db.backends.sqlite3":
        return {**found, "ENGINE": SQLITE}
    if found["ENGINE"] != "django.db.backends.postgresql":
        raise ImproperlyConfigured(
            "DATABASE_URL must be an address of Postgres: postgres://user:password@host:5432/name."
        )
    given = found.get("OPTIONS", {})
    limits = f"-c statement_timeout={seconds}s -c idle_in_transaction_session_timeout={seconds}s"
    planned = "-c plan_cache_mode=force_generic_plan -c jit=off"
    own = {**KEEPALIVE, **given, "options": f"{limits} {planned} {given.get('options', '')}".strip()}
    return {**found, "ENGINE": "kalbot.common.postgres", "OPTIONS": own, "ANSWER_SECONDS": seconds}


def refuse_placeholder(name: str, value: str, shortest: int = 0) -> None:
    """ImproperlyConfigured when a secret is a word from an example, or shorter than ``shortest``. Never shows the value."""
    if PLACEHOLDER.search(value):
        raise ImproperlyConfigured(f"{name} is a placeholder from an example; put a secret of your own there.")
    if len(value) < shortest:
        raise ImproperlyConfigured(f"{name} is too short for a secret; use {shortest} characters or more.")
