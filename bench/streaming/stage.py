"""What every benchmark of the stream stands on: a Redis, a flooding server, fresh processes, a certificate."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from kalbot.common.life import die_with_parent

ROOT: Final = Path(__file__).resolve().parent.parent.parent


@contextmanager
def redis_server() -> Iterator[Path]:
    """A Redis of our own, named in the environment before Django reads its settings. Yields a folder for scratch files."""
    from kalbot.local.servers import start_redis

    with tempfile.TemporaryDirectory(prefix="kalbot-bench-") as folder:
        server = start_redis(Path(folder) / "redis")
        os.environ.update(KALBOT_STATE=folder, REDIS_URL=server.url)
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kalbot.settings")
        try:
            yield Path(folder)
        finally:
            server.stop()


@contextmanager
def flood(**options: Any) -> Iterator[int]:
    """The flooding server in a process of its own; yields its port. Options as in ``bench.streaming.server``."""
    with server("bench.streaming.server", **options) as port:
        yield int(port)


@contextmanager
def server(module: str, **options: Any) -> Iterator[str]:
    """``python -m module`` with these options; yields what it says it is ready at."""
    command = [sys.executable, "-m", module]
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        command += [option] if value is True else [option, str(value)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
    try:
        assert process.stdout is not None
        line = process.stdout.readline().split()
        if line[:1] != ["ready"]:
            raise RuntimeError(f"{module} did not start")
        yield line[1]
    finally:
        process.kill()
        process.wait()


def _run(target: Any, *arguments: Any, **more: Any) -> None:
    die_with_parent()
    target(*arguments, **more)


class Running:
    """``target(*arguments, result=pipe)`` in a fresh process. ``answer`` waits for what it sends through the pipe."""

    def __init__(self, target: Any, *arguments: Any, **more: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_run, args=(target, *arguments), kwargs={"result": there, **more})
        self._process.start()
        there.close()

    def answer(self) -> Any:
        try:
            return self._pipe.recv()
        except EOFError:
            raise RuntimeError("a measured process ended without a result; see above") from None
        finally:
            self._process.join()


def prepare(folder: Path, postgres: bool) -> list[Any]:
    """Redis, and the database; returns what has to be stopped."""
    from kalbot.local.servers import start_postgres, start_redis

    redis = start_redis(folder / "redis")
    os.environ.update(REDIS_URL=redis.url, KALBOT_STATE=str(folder), DJANGO_SETTINGS_MODULE="kalbot.settings")
    stops = [redis.stop]
    if postgres:
        folder.chmod(0o755)
        server, url = start_postgres(folder / "postgres")
        os.environ["DATABASE_URL"] = url
        stops.append(server.cleanup)
    return stops


def certificate(folder: Path) -> str:
    """A certificate for 127.0.0.1 with its key in one PEM file."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return str(path)


def write_key(path: Path, rsa: bool = False) -> None:
    """A private key of the exchange's account, good for signing and nothing else."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.hazmat.primitives.asymmetric import rsa as rsa_keys

    key = rsa_keys.generate_private_key(65537, 2048) if rsa else ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.touch(0o600)
    path.write_bytes(pem)


def percentiles(times: list[float], digits: int = 2) -> dict[str, float]:
    """p50, p90 and p99 of milliseconds, by nearest rank."""
    ranked = sorted(times)
    return {f"p{p}_ms": round(ranked[-(-len(ranked) * p // 100) - 1], digits) for p in (50, 90, 99)}
