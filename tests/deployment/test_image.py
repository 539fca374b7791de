"""The image by its Dockerfile: what it copies suffices; and, with ``--slow``, its steps one by one and every service of compose in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.deployment import image
from tests.deployment.engine import Engine


def test_what_the_image_copies_is_all_that_runs(tmp_path: Path) -> None:
    stages = image.copied(tmp_path, ["build"])
    folder = stages["build"].place(".")
    shutil.rmtree(folder / "kalbot" / "local")
    assert not (folder / "tests").exists()
    code = "import django; django.setup(); import kalbot.urls, kalbot.wsgi, kalbot.celery as c; c.app.loader.import_default_modules()"
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "DATABASE_URL")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**clean, "DJANGO_SETTINGS_MODULE": "kalbot.settings", "KALBOT_STATE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-1_000:]


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("manage.py", True),
        ("kalbot/settings.py", True),
        ("kalbot/__pycache__/settings.cpython-311.pyc", False),
        ("kalbot/.env", False),
        ("trading/key.pem", False),
        ("secrets/secret_key", False),
        ("tests/conftest.py", False),
        (".env", False),
    ],
)
def test_the_ignore_file_is_read_as_an_engine_reads_it(path: str, left: bool) -> None:
    patterns = (image.ROOT / ".dockerignore").read_text().splitlines()
    assert image.is_ignored(Path(path), [line for line in patterns if line and not line.startswith("#")]) is not left


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that every user may enter."""
    assert os.geteuid() == 0, "needs root: the steps run in a mount namespace"
    for tool in ("unshare", "nsenter", "setpriv", "ip"):
        assert shutil.which(tool), f"{tool} is missing (Debian: apt install util-linux iproute2)"
    assert image.PYTHON, "a Python 3.11 below /usr is missing, which every user may run"
    with tempfile.TemporaryDirectory(prefix="kalbot-image-", dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def stages(place: Path) -> dict[str, image.Stage]:
    """Every stage of the file, built step by step."""
    return image.build(place, ["build", "bot", "demo"])


PERSON = 4_321
"""The user of the host who starts the containers: no name in the image, and the only one who can read the secrets."""


def followed(folder: Path, key: Path, exchange: dict[str, str]) -> Path:
    """A folder in which the README's steps were done: ``.env`` copied and edited, the exchange's key put into secrets/, bin/secrets run."""
    (folder / "bin").mkdir(parents=True)
    (folder / "secrets").mkdir()
    shutil.copy(image.ROOT / "bin" / "secrets", folder / "bin" / "secrets")
    shutil.copy(key, folder / "secrets" / "kalshi_key.pem")
    text = (image.ROOT / ".env.example").read_text()
    for name, value in exchange.items():
        text, edited = re.subn(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
        assert edited == 1, name
    (folder / ".env").write_text(text)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, PERSON, PERSON)
    folder.chmod(0o755)
    person = ["setpriv", f"--reuid={PERSON}", f"--regid={PERSON}", "--clear-groups"]
    subprocess.run([*person, "sh", "bin/secrets"], cwd=folder, check=True, capture_output=True)
    assert f"KALBOT_UID={PERSON}\n" in (folder / ".env").read_text()
    return folder


def typed() -> list[str]:
    """Every line of the blocks of docs/operations.md that work with compose, in their order."""
    blocks = re.findall(r"```sh\n(.*?)```", (image.ROOT / "docs" / "operations.md").read_text(), re.DOTALL)
    return [line for block in blocks if "docker compose" in block for line in block.splitlines()]


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_every_step_of_the_image_runs(stages: dict[str, image.Stage]) -> None:
    stage = stages["bot"]
    assert (stage.user, stage.workdir) == ("10001", "/srv/kalbot")
    assert not stage.place("kalbot/local").exists()
    assert any((stage.srv / "static").iterdir())
    assert stages["demo"].user == "10001"
    assert stages["demo"].place("kalbot/local").is_dir()


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_every_service_of_compose_starts_is_healthy_and_ends(stages: dict[str, image.Stage], place: Path) -> None:
    """Commands, users, variables, mounts and health checks are the file's own; the exchange is the simulated one, in the same network.
    Then backup, restore and upgrade, as docs/operations.md has them, line by line."""
    file = yaml.safe_load((image.ROOT / "docker-compose.yml").read_text())
    folder = place / "services"
    (folder / "credentials").mkdir(parents=True)
    (folder / "credentials" / "key_id").write_text("compose")
    key = folder / "credentials" / "private_key.pem"
    private = ed25519.Ed25519PrivateKey.generate()
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key.write_bytes(private.private_bytes(*form))
    rest, ws = "http://127.0.0.1:9155/trade-api/v2", "ws://127.0.0.1:9155/trade-api/ws/v2"
    variables = {
        "KALSHI_REST_URL": rest,
        "KALSHI_WS_URL": ws,
        "KALSHI_KEY_ID": "compose",
        "KALSHI_PRIVATE_KEY_PATH": "/run/secrets/kalshi_key.pem",
    }
    project = followed(place / "project", key, variables)
    engine = Engine(stages["bot"], file, project, folder)
    try:
        engine.await_ready()
        engine.start_servers()
        engine.start_simulator(9155, key.parent)
        engine.type("docker compose run --rm migrate")
        engine.type("docker compose up -d")
        words = [
            "python",
            "manage.py",
            "createsuperuser",
            "--noinput",
            "--username",
            "ann",
            "--email",
            "ann@example.org",
        ]
        assert f"docker compose exec web {' '.join(words[:3])}" in (image.ROOT / "README.md").read_text()
        made = engine.run("web", ["env", "DJANGO_SUPERUSER_PASSWORD=correct-horse-9", *words])
        assert made.returncode == 0, made.stderr[-1_000:]
        lines = typed()
        assert len(lines) > 12
        for line in lines:
            engine.type(line)
            if "restored;" in line:  # what was restored is there, and halted; the next block is a release
                read = "from django.contrib.auth.models import User; from trading.models import TradingState as T;"
                code = f"{read} print(User.objects.get().username, T.objects.get(scope='global').state)"
                assert engine.run("web", ["python", "manage.py", "shell", "-c", code]).stdout.split()[-2:] == [
                    "ann",
                    "halted",
                ]
            if line == "docker compose up -d" and "restored;" in lines[lines.index(line) - 1]:
                engine.type('docker compose exec web python manage.py resume --reason "compared"')
    finally:
        engine.stop()


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_the_demo_of_compose_starts_is_healthy_and_ends(stages: dict[str, image.Stage], place: Path) -> None:
    file = yaml.safe_load((image.ROOT / "docker-compose.demo.yml").read_text())
    folder = place / "demo-services"
    folder.mkdir()
    engine = Engine(stages["demo"], file, folder, folder)
    try:
        engine.await_ready()
        engine.start("demo")
        engine.await_healthy("demo", 500)
    finally:
        engine.stop()
