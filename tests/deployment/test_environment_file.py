"""The example of the environment means the same to every reader, and a start on half-edited values is refused in a sentence."""

from __future__ import annotations

import os
import re
import runpy
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import dotenv
import pytest
from django.core.exceptions import ImproperlyConfigured

from kalbot import environment
from kalbot.environment import PLACEHOLDER, Environment
from tests.docs.test_configuration import settings_read

ROOT: Final = Path(__file__).resolve().parents[2]
EXAMPLE: Final = ROOT / ".env.example"
PRODUCTION: Final = {"KALBOT_DEVELOPMENT": "false", "SECRET_KEY": "q7" * 25}


def plain() -> dict[str, str]:
    """As Docker's own reader takes it: all behind the first "=" is the value."""
    lines = [line for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_every_reader_finds_the_same_values_in_the_example() -> None:
    expected = plain()
    assert len(expected) > 10
    assert dotenv.dotenv_values(EXAMPLE, interpolate=False) == expected
    before = dict(os.environ)
    try:
        Environment.read_env(EXAMPLE, overwrite=True)
        assert {name: os.environ[name] for name in expected} == expected
    finally:
        os.environ.clear()
        os.environ.update(before)


def test_comments_of_the_example_are_lines_of_their_own() -> None:
    assert not [value for value in plain().values() if re.search(r"#|\s$|^\s", value)]


def settings_now() -> dict[str, Any]:
    """What the settings are with the environment of now."""
    return runpy.run_path(str(ROOT / "kalbot" / "settings.py"))


def start(**variables: str) -> str:
    """The last line of what a process says that reads the settings with this environment."""
    known = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "SECRET_KEY")}
    done = subprocess.run(
        [sys.executable, "-c", "from kalbot import settings; print('started', settings.SECRET_KEY[:4])"],
        cwd=ROOT,
        env={**known, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"SECURE_COOKIES": "true  # behind HTTPS"}, "SECURE_COOKIES has a comment in its value"),
        ({"SECURE_COOKIES": "# true behind HTTPS"}, "SECURE_COOKIES has a comment in its value"),
        ({"KALSHI_PRIVATE_KEY_PATH": "   # PEM file"}, "KALSHI_PRIVATE_KEY_PATH has a comment in its value"),
        ({"STREAM_PARTITIONS": "1 # one"}, "STREAM_PARTITIONS has a comment in its value"),
        ({"ALLOWED_HOSTS": "a.org # ours"}, "ALLOWED_HOSTS has a comment in its value"),
        ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS must be names of hosts"),
        ({"ALLOWED_HOSTS": "https://a.org"}, "ALLOWED_HOSTS must be names of hosts"),
        ({"CSRF_TRUSTED_ORIGINS": "a.org"}, "CSRF_TRUSTED_ORIGINS must be origins"),
        ({"KALBOT_PAPER_QUEUE": "hopeful"}, "KALBOT_PAPER_QUEUE must be optimistic, realistic or pessimistic"),
        ({"DATABASE_URL": "mysql://kalbot:q7k2@db/kalbot"}, "DATABASE_URL must be an address of Postgres"),
        ({"DATABASE_URL": "db.internal"}, "DATABASE_URL must be an address of Postgres"),
        ({"DATABASE_URL": "postgres://u:q7k2@h:abc/n"}, "DATABASE_URL must be an address of Postgres"),
        ({"DATABASE_URL": "postgres://u:q7/k2@h/n"}, "DATABASE_URL must be an address of Postgres"),
        ({"DATABASE_URL": "postgres://u:q7k2@h:99999/n"}, "DATABASE_URL must be an address of Postgres"),
        ({"DATABASE_URL": "postgres://u:q7k2@[h/n"}, "DATABASE_URL must be an address of Postgres"),
        ({"DATABASE_URL": "postgres://u:q7k2@h"}, "DATABASE_URL must be an address of Postgres"),
        ({"REDIS_URL": "redis://h:abc"}, "REDIS_URL is no address that can be read"),
        ({"BROKER_URL": "redis://[h"}, "BROKER_URL is no address that can be read"),
        ({"PRICES_URL": "redis://h:99999/1"}, "PRICES_URL is no address that can be read"),
        ({"KALSHI_REST_URL": "https://[h"}, "KALSHI_REST_URL is no address that can be read"),
        ({"KALSHI_WS_URL": "wss://h:x"}, "KALSHI_WS_URL is no address that can be read"),
        ({"NWS_URL": "api.weather.gov"}, "NWS_URL must be an address that begins with https:// or http://"),
        ({"CITYTEMP_URL": "ftp://h"}, "CITYTEMP_URL must be an address that begins with https:// or http://"),
        ({"DEADMAN_URL": "hc.example/x"}, "DEADMAN_URL must be an address that begins with https:// or http://"),
        ({"CONSOLE_URL": "https://"}, "CONSOLE_URL must be an address that begins with https:// or http://"),
        ({"SECRET_KEY_FILE": "/etc/passwd"}, "SECRET_KEY and SECRET_KEY_FILE are both set and differ"),
        ({"SECRET_KEY": '"' + "q7" * 25 + '"'}, "SECRET_KEY has quotes around its value"),
        ({"KALBOT_LIVE": "'false'"}, "KALBOT_LIVE has quotes around its value"),
        ({"KALBOT_LIVE": "yes please"}, "KALBOT_LIVE must be true or false"),
        ({"KALBOT_LIVE": "wahr"}, "KALBOT_LIVE must be true or false"),
        ({"STREAM_PARTITIONS": "two"}, "STREAM_PARTITIONS must be a whole number"),
        ({"PAPER_LATENCY_MS": "-3"}, "PAPER_LATENCY_MS must be a whole number"),
        ({"SECRET_KEY_FILE": "/nowhere/key", "SECRET_KEY": ""}, "SECRET_KEY_FILE: /nowhere/key cannot be read"),
        ({"SECRET_KEY": ""}, "SECRET_KEY is not set"),
        ({"SECRET_KEY": "change-me"}, "SECRET_KEY is a placeholder"),
        ({"SECRET_KEY": "changeme" * 8}, "SECRET_KEY is a placeholder"),
        ({"SECRET_KEY": "<put a long random value here>"}, "SECRET_KEY is a placeholder"),
        ({"SECRET_KEY": "development-only-not-for-production-" + "0" * 32}, "SECRET_KEY is a placeholder"),
        ({"SECRET_KEY": "replace_with_a_long_random_value_of_50_letters"}, "SECRET_KEY is a placeholder"),
        ({"SECRET_KEY": "TODO: a secret of your own, as long as you like"}, "SECRET_KEY is a placeholder"),
        ({"SECRET_KEY": "$(openssl rand -hex 32 | tr -d x)"}, "SECRET_KEY is a placeholder"),
        ({"SECRET_KEY": "a" * 50}, "SECRET_KEY is a placeholder"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY is too short"),
        ({"KALSHI_KEY_ID": "your-key-id"}, "KALSHI_KEY_ID is a placeholder"),
        ({"NOTIFY_KEY": "changeme"}, "NOTIFY_KEY is a placeholder"),
        ({"DATABASE_URL": "postgres://kalbot:kalbot@db/kalbot"}, "The password in DATABASE_URL is a placeholder"),
        ({"DATABASE_URL": "postgres://kalbot:postgres@db/kalbot"}, "The password in DATABASE_URL is a placeholder"),
        (
            {"DATABASE_URL": "postgres://kalbot:change-me@postgres:5432/kalbot"},
            "The password in DATABASE_URL is a placeholder",
        ),
    ],
)
def test_a_value_that_was_not_meant_is_refused(
    variables: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    for name, value in {**PRODUCTION, **variables}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=f"^{re.escape(sentence)}"):
        settings_now()


NOT_NUMBERS: Final = (
    "5s",
    "-1",
    "+5",
    "1e3",
    "1_000",
    "0x10",
    "nan",
    "inf",
    "true",
    "\u0665",
    "\uff15",
    "\u00b2",
    "9" * 20,
    "5,5",
    "5 5",
)


@pytest.mark.parametrize("text", NOT_NUMBERS)
def test_no_reader_of_numbers_takes_what_only_resembles_one(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KALBOT_X", text)
    for read in (
        lambda: environment.env.int("KALBOT_X", 1, 0, 10**9),
        lambda: environment.positive("KALBOT_X", 1.0, 0, 1e9),
        lambda: environment.whole_seconds("KALBOT_X"),
    ):
        with pytest.raises(ImproperlyConfigured, match="KALBOT_X must be"):
            read()


def test_every_number_has_bounds_that_notice_another_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://u:q7q7@h/n")
    monkeypatch.setenv("SECURE_COOKIES", "true")
    numbers = [name for name, (kind, _) in settings_read().items() if kind in ("integer", "positive number", "seconds")]
    assert len(numbers) > 25
    for name in numbers:
        with monkeypatch.context() as patch:
            patch.setenv(name, "987654321")
            with pytest.raises(ImproperlyConfigured, match=f"{name} must be"):
                settings_now()


def test_spaces_around_names_of_hosts_are_no_part_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", "a.org, b.org")
    monkeypatch.setenv("CSRF_TRUSTED_ORIGINS", "https://a.org , http://b.org:8000")
    found = settings_now()
    assert found["ALLOWED_HOSTS"] == ["a.org", "b.org"]
    assert found["CSRF_TRUSTED_ORIGINS"] == ["https://a.org", "http://b.org:8000"]


def test_a_secret_comes_from_a_file_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("abcd" * 10 + "\n")
    assert start(KALBOT_DEVELOPMENT="false", SECRET_KEY_FILE=str(tmp_path / "key")) == "started abcd"


def test_no_random_secret_is_taken_for_a_placeholder() -> None:
    made = [
        make(size) for make in (secrets.token_hex, secrets.token_urlsafe) for size in (24, 32, 50) for _ in range(300)
    ]
    assert [one for one in made if PLACEHOLDER.search(one)] == []


def test_the_file_of_settings_may_be_another_or_none(tmp_path: Path) -> None:
    file = tmp_path / "production"
    file.write_text("KALBOT_DEVELOPMENT=false\nSECRET_KEY=" + "wxyz" * 10 + "\n")
    assert start(KALBOT_ENV_FILE=str(file)) == "started wxyz"
    assert start(KALBOT_ENV_FILE="") == "started deve"
    assert os.environ["KALBOT_ENV_FILE"] == "", "the tests read nobody's .env"


def test_what_a_real_variable_says_is_not_what_a_file_of_the_file_says(tmp_path: Path) -> None:
    """``DATABASE_URL=... bin/restore DUMP`` beside a ``.env`` with ``DATABASE_URL_FILE`` worked on the database of that file."""
    (tmp_path / "key").write_text("wxyz" * 10)
    file = tmp_path / "production"
    file.write_text(f"KALBOT_DEVELOPMENT=false\nSECRET_KEY_FILE={tmp_path / 'key'}\n")
    assert start(KALBOT_ENV_FILE=str(file)) == "started wxyz"
    assert start(KALBOT_ENV_FILE=str(file), SECRET_KEY="abcd" * 10) == "started abcd"
    file.write_text("KALBOT_DEVELOPMENT=false\nSECRET_KEY=" + "abcd" * 10 + "\n")
    assert start(KALBOT_ENV_FILE=str(file), SECRET_KEY_FILE=str(tmp_path / "key")) == "started wxyz"


def test_a_file_of_settings_that_is_named_and_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    """The defaults would be those of development, on another database."""
    assert start(KALBOT_ENV_FILE=str(tmp_path / "prodution")).endswith(
        "prodution, cannot be read (No such file or directory)."
    )
    assert start(KALBOT_ENV_FILE=str(tmp_path)).endswith("cannot be read (Is a directory).")
    (tmp_path / "latin").write_bytes(b"KALBOT_CONTACT=Jos\xe9\n")
    assert start(KALBOT_ENV_FILE=str(tmp_path / "latin")).endswith("cannot be read (it is not text in UTF-8).")
    said = start(KALBOT_ENV_FILE="", SECRET_KEY_FILE=str(tmp_path / "latin"))
    assert said.endswith(f"SECRET_KEY_FILE: {tmp_path / 'latin'} is not text in UTF-8.")


def test_a_secret_that_begins_with_a_dollar_is_itself() -> None:
    assert start(KALBOT_DEVELOPMENT="false", SECRET_KEY="$2b" + "k9z" * 12) == "started $2bk"


@pytest.mark.parametrize(
    "line",
    [
        "SECRET_KEY = hunter2hunter2",
        "SECRET_KEY: hunter2",
        " KALBOT_LIVE=true",
        "KALBOT_LIVE =true",
        "export",
        "9A=b",
        "-K=1",
    ],
)
def test_a_line_that_readers_leave_out_is_refused_and_not_shown(tmp_path: Path, line: str) -> None:
    file = tmp_path / "env"
    file.write_text(f"# a comment\n\n  # another\nexport LOG_LEVEL=INFO\n{line}\n")
    said = start(KALBOT_ENV_FILE=str(file))
    assert "Line 5 of" in said
    assert "hunter2" not in said


def test_a_variable_of_another_version_or_a_misspelt_one_is_named_and_every_setting_is_known() -> None:
    names = set(settings_read()) | set(plain()) | {f"{name}_FILE" for name in settings_read()}
    assert set(settings_read()) <= environment.READ
    others = (
        "PATH",
        "HOME",
        "HTTP_PROXY",
        "REDIS_HOST",
        "POSTGRES_PASSWORD",
        "COMPOSE_FILE",
        "LANG",
        "PYTHONPATH",
        "TZ",
    )
    assert environment.unread([*names, *others, *environment.ELSEWHERE]) == {}
    wrong = {
        "KALBOT_LIV": "KALBOT_LIVE",
        "SECURE_COKIES": "SECURE_COOKIES",
        "KALSHI_PRIVATE_KEY_FILE_PATH": "KALSHI_PRIVATE_KEY_PATH",
        "KALBOT_MAX_SCANS": "",
    }
    found = environment.unread([*names, *wrong])
    assert found == wrong


def test_what_is_set_in_vain_is_said_by_check() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**os.environ, "KALBOT_LIV": "true", "KALBOT_OF_LONG_AGO": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "KALBOT_LIV is no setting of this version and does nothing; KALBOT_LIVE is one." in done.stderr
    assert "KALBOT_OF_LONG_AGO is no setting of this version and does nothing." in done.stderr
