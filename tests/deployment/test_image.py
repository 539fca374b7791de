"""The image by its Dockerfile: what it copies suffices; and, with ``--slow``, its steps one by one and every service of compose in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.deployment import image


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


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_every_step_of_the_image_runs_and_its_code_starts_as_its_user() -> None:
    assert os.geteuid() == 0, "needs root: the steps run in a mount namespace"
    assert shutil.which("unshare"), "unshare is missing (Debian: apt install util-linux)"
    assert image.PYTHON, "a Python 3.11 below /usr is missing, which every user may run"
    with tempfile.TemporaryDirectory(prefix="kalbot-image-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        stage = image.build(folder, ["build", "bot"])["bot"]
        assert (stage.user, stage.workdir) == ("10001", "/srv/kalbot")
        assert not stage.place("kalbot/local").exists()
        assert any((stage.srv / "static").iterdir())
        settings = {"SECRET_KEY": "q7" * 25, "DATABASE_URL": "sqlite:////srv/state/db.sqlite3"}
        stage.environment |= settings
        user = ["setpriv", f"--reuid={stage.user}", f"--regid={stage.user}", "--clear-groups", "--no-new-privs"]
        for command in (["python", "manage.py", "migrate", "-v0"], ["python", "manage.py", "seed"]):
            done = image.run(stage, [*user, *command], check=False)
            assert done.returncode == 0, done.stderr[-2_000:]
