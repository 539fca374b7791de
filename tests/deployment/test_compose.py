"""docker-compose.yml, checked without an engine: what it starts exists, what it mounts is used, and every service is bounded."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
FILES: Final = ("docker-compose.yml", "docker-compose.demo.yml")
SERVERS: Final = {"postgres", "redis"}


def compose(name: str) -> dict[str, Any]:
    """The file with its anchors merged."""
    found: dict[str, Any] = yaml.safe_load((ROOT / name).read_text())
    return found


@pytest.mark.parametrize("name", FILES)
def test_every_service_is_bounded_and_checked(name: str) -> None:
    for service, options in compose(name)["services"].items():
        limits = options["deploy"]["resources"]["limits"]
        assert limits["memory"], service
        assert limits["cpus"], service
        assert options["logging"]["options"]["max-size"], service
        assert "healthcheck" in options or service == "migrate", service
        if service not in SERVERS:
            assert options["read_only"] is True, service
            assert options["cap_drop"] == ["ALL"], service
            assert "no-new-privileges:true" in options["security_opt"], service


@pytest.mark.parametrize("name", FILES)
def test_every_volume_is_mounted_and_every_mount_is_a_volume_or_a_secret(name: str) -> None:
    found = compose(name)
    mounted = {one.split(":")[0] for service in found["services"].values() for one in service.get("volumes", [])}
    named = {one for one in mounted if not one.startswith(".")}
    assert named == set(found["volumes"])
    assert all(one.startswith("./secrets") for one in mounted - named)


def copied(folder: Path) -> Path:
    """The files that a person has who follows the README, in ``folder``."""
    (folder / "bin").mkdir()
    for name in (*FILES, ".env.example", "bin/secrets"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copy(folder / ".env.example", folder / ".env")
    return folder


def test_secrets_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    subprocess.run(["sh", "bin/secrets"], cwd=folder, check=True, capture_output=True)
    before = {path.name: path.read_text() for path in (folder / "secrets").iterdir()}
    assert set(before) == {"secret_key", "postgres_password", "database_url"}
    assert len(before["secret_key"]) >= 50
    assert before["postgres_password"] in before["database_url"]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in (folder / "secrets").iterdir())
    owner = (folder / "secrets" / "secret_key").stat().st_uid
    assert f"KALBOT_UID={owner}\n" in (folder / ".env").read_text()
    subprocess.run(["sh", "bin/secrets"], cwd=folder, check=True, capture_output=True)
    assert {path.name: path.read_text() for path in (folder / "secrets").iterdir()} == before


def test_secrets_are_in_no_commit_and_in_no_image() -> None:
    for name in (".env", "secrets/secret_key", "credentials/key_id", "kalshi_key.pem", "a/b/private_key.pem"):
        assert subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False).returncode == 0, name
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines  # an allow list: what is not named stays out
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert allowed == {
        *("manage.py", "requirements.lock", "requirements-demo.lock"),
        *("kalbot", "markets", "strategies", "trading", "triage", "backtest", "simulator"),
    }


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("hadolint")),
            "--failure-threshold",
            "style",
            "--ignore",
            "DL3066",
            "Dockerfile",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_compose_parser_accepts_the_file_after_the_steps_of_the_readme(name: str, tmp_path: Path) -> None:
    parser = shutil.which("docker-compose")
    assert parser, "docker-compose is missing (Debian: apt install docker-compose)"
    folder = copied(tmp_path)
    subprocess.run(["sh", "bin/secrets"], cwd=folder, check=True, capture_output=True)
    done = subprocess.run([parser, "-f", name, "config"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = yaml.safe_load(done.stdout)
    assert set(found["services"]) == set(compose(name)["services"])
