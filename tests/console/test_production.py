"""Production's settings, as a process with production's environment sees them: secure cookies, headers, and forms behind a proxy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PRODUCTION = {
    "KALBOT_DEVELOPMENT": "false",
    "SECRET_KEY": "".join(map(chr, range(40, 120))),
    "ALLOWED_HOSTS": "kalbot.example.org",
    "SECURE_COOKIES": "true",
    "BEHIND_PROXY": "true",
    "LOG_LEVEL": "ERROR",
}
ASK = """
import json, re, django
django.setup()
from django.conf import settings
from django.core import checks
from django.core.management import call_command
from django.test import Client
call_command("migrate", verbosity=0)
client = Client(enforce_csrf_checks=True)
host = {"HTTP_HOST": "kalbot.example.org"}
proxied = {**host, "HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_FOR": "203.0.113.5"}
page = client.get("/admin/login/", **proxied)
token = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', page.content.decode())[1]
form = {"username": "nobody", "password": "wrong", "csrfmiddlewaretoken": token}
print(json.dumps({
    "plain": [client.get("/admin/login/", **host).status_code, client.get("/admin/login/", **host).headers.get("Location")],
    "healthz": client.get("/healthz", **host).status_code,
    "headers": {name.lower(): value for name, value in page.headers.items()},
    "csrf_cookie": [bool(page.cookies["csrftoken"]["secure"]), page.cookies["csrftoken"]["samesite"]],
    "session": [settings.SESSION_COOKIE_SECURE, settings.SESSION_COOKIE_HTTPONLY, settings.SESSION_COOKIE_SAMESITE],
    "own_form": client.post("/admin/login/", form, headers={"Origin": "https://kalbot.example.org"}, **proxied).status_code,
    "foreign_form": client.post("/admin/login/", form, headers={"Origin": "https://evil.example.net"}, **proxied).status_code,
    "checks": [m.id for m in checks.run_checks(include_deployment_checks=True)],
}))
"""


def run_check(folder: Path, **environment: str) -> Any:
    """What a fresh process with this environment answers."""
    known = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL",)}
    full = {**known, "DJANGO_SETTINGS_MODULE": "kalbot.settings", "KALBOT_STATE": str(folder), **environment}
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ASK], cwd=ROOT, capture_output=True, text=True, check=False, env=full
    )
    assert ran.returncode == 0, ran.stderr[-2_000:]
    return json.loads(ran.stdout.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The answers of production."""
    return run_check(tmp_path_factory.mktemp("production"), **PRODUCTION)


def test_plain_http_is_sent_to_https_except_for_machines(production: Any) -> None:
    assert production["plain"] == [301, "https://kalbot.example.org/admin/login/"]
    assert production["healthz"] in (200, 503)


def test_cookies_are_secure_and_headers_are_strict(production: Any) -> None:
    assert production["csrf_cookie"] == [True, "Lax"]
    assert production["session"] == [True, True, "Lax"]
    headers = production["headers"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "max-age=" in headers["strict-transport-security"]
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "http" not in headers["content-security-policy"]


def test_forms_of_our_own_pass_behind_a_proxy_and_foreign_ones_do_not(production: Any) -> None:
    assert production["own_form"] == 200
    assert production["foreign_form"] == 403


def test_djangos_own_deployment_checks_find_nothing_but_choices_of_the_operator(production: Any) -> None:
    assert set(production["checks"]) <= {
        "security.W005",
        "security.W021",
    }  # subdomains and preload lists are theirs to decide
