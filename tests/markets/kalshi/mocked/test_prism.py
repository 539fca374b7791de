"""The client against prism, a mock server that knows nothing but the official file: it checks each request and answers by example."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from markets.kalshi.environment import Environment
from markets.kalshi.errors import KalshiError, OutcomeUnknown, Rejected, Unreachable
from markets.kalshi.rest.client import KalshiClient
from markets.kalshi.schemas.boundary import Json
from markets.kalshi.signing import Signer
from markets.kalshi.token_buckets import LocalLimiter
from tests.simulator.strangers.test_strangers import ENVIRONMENTS, found_program

from ..test_contract import CALLS, operation_of, sent_by
from .examples import with_examples

pytestmark = [pytest.mark.slow, pytest.mark.shared, pytest.mark.timeout(600)]
PACKAGE = "@stoplight/prism-cli@5.14.2"
FREE = LocalLimiter(sleep=lambda seconds: None, clock=lambda: time.monotonic() * 1_000)


@pytest.fixture(scope="module")
def prism() -> str:
    """The mock server's program, installed once."""
    if found_program("node") is None:
        pytest.fail("prism needs node, which this machine does not have")
    folder = ENVIRONMENTS / "prism"
    program = folder / "node_modules" / ".bin" / "prism"
    if not program.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), PACKAGE]
        answer = subprocess.run(install, capture_output=True, text=True, timeout=400)
        if answer.returncode != 0:
            pytest.fail(f"{PACKAGE} cannot be installed: {answer.stderr.strip()[-300:]}")
    return str(program)


@pytest.fixture(scope="module")
def mock(prism: str, openapi: Json, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    folder = tmp_path_factory.mktemp("prism")
    (folder / "openapi.yaml").write_text(yaml.dump(with_examples(openapi), Dumper=yaml.CSafeDumper))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "log").open("w") as log:
        running = subprocess.Popen(
            [prism, "mock", "-h", "127.0.0.1", "-p", str(port), str(folder / "openapi.yaml")],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(port, folder / "log")
        yield Environment("local", f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}")
    finally:
        running.terminate()
        running.wait(60)


def _wait_for(port: int, log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail(f"prism does not listen: {log.read_text()[-500:]}")


def client_of(mock: Environment, signer: Signer, prefer: str | None = None) -> KalshiClient:
    client = KalshiClient(mock, signer, FREE)
    client.transport.sleep = lambda seconds: None
    if prefer is not None:
        client.transport._session.headers["Prefer"] = prefer
    return client


@pytest.mark.parametrize(("name", "call"), CALLS, ids=[f"{n}-{name}" for n, (name, _) in enumerate(CALLS)])
def test_each_call_is_accepted_and_its_answer_read(
    mock: Environment, signer: Signer, name: str, call: Callable[[KalshiClient], object]
) -> None:
    with client_of(mock, signer) as client:
        call(client)


def _modes(openapi: Json, signer: Signer) -> Iterator[tuple[str, Any, str, int]]:
    """(operation, call, method, status) of every error that the official file documents for a call of ours."""
    for name, call in dict(reversed(CALLS)).items():  # the first of each operation
        request = sent_by(call, signer)[0]
        for status in operation_of(request, openapi)[1]["responses"]:
            if status.isdigit() and int(status) >= 400:
                yield name, call, request.method or "", int(status)


def _raised_by(call: Callable[[KalshiClient], object], client: KalshiClient) -> KalshiError | None:
    try:
        call(client)
    except KalshiError as error:
        return error
    return None


def test_every_documented_error_is_what_it_means_for_money(mock: Environment, signer: Signer, openapi: Json) -> None:
    seen = 0
    for name, call, method, status in _modes(openapi, signer):
        with client_of(mock, signer, f"code={status}") as client:
            if name == "GetExchangeStatus" and status >= 500:
                call(client)  # answered with the state of the exchange
                continue
            raised = _raised_by(call, client)
        expected: type[KalshiError] = Rejected
        if status >= 500:
            expected = Unreachable if method == "GET" else OutcomeUnknown
        assert isinstance(raised, expected), (name, status, raised)
        seen += 1
    assert seen > 150
