"""The processes of the demo, in the order in which they start, each as a person would start it by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kalbot.local.servers import redis_command
from kalbot.local.supervisor import Child, environment, python

WORKERS = {"trading": "exits,execution,trading", "strategy": "strategy", "general": "scan,triage,default"}


@dataclass(frozen=True)
class Plan:
    """The options of one demo run."""

    state: Path
    snapshot: Path
    seed: int
    speed: float
    edge_every: float
    turn_every: int
    maker_events: int
    still: bool
    web_host: str
    web_port: int
    simulator_port: int
    weather_port: int
    redis_port: int


def redis(plan: Plan) -> Child:
    command = redis_command(plan.state / "redis", plan.redis_port, durable=True)
    return Child("redis", command, environment({}), _log(plan, "redis"))


def simulator(plan: Plan) -> Child:
    command = [
        "-m",
        "simulator",
        "--snapshot",
        str(plan.snapshot),
        "--port",
        str(plan.simulator_port),
        "--seed",
        str(plan.seed),
        "--credentials",
        str(plan.state / "credentials"),
        "--state",
        str(plan.state / "exchange"),
        "--speed",
        str(plan.speed),
    ]
    command += ["--still"] if plan.still else _moving(plan)
    return Child("simulator", python(*command), environment({}), _log(plan, "simulator"))


def _moving(plan: Plan) -> list[str]:
    """What moves the simulator's books."""
    edges = ["--edge-every", str(plan.edge_every), "--turn-every", str(plan.turn_every)]
    return [*edges, "--maker-events", str(plan.maker_events)]


def weather(plan: Plan, exchange: str) -> Child:
    """Weather services on loopback whose weather ends as the simulated exchange settles. ``exchange``: its REST address."""
    command = [
        "-m",
        "simulator.weather.service",
        "--exchange",
        exchange.removesuffix("/trade-api/v2"),
        "--speed",
        str(plan.speed),
        "--seed",
        str(plan.seed),
        "--port",
        str(plan.weather_port),
    ]
    return Child("weather", python(*command), environment({}), _log(plan, "weather"))


def product(plan: Plan, env: dict[str, str]) -> list[Child]:
    """Stream, workers, beat and web: the bot itself."""
    celery = ["-m", "celery", "-A", "kalbot"]
    lean = ["--without-mingle", "--without-gossip", "--loglevel", "INFO"]
    children = [Child("stream", python("manage.py", "stream"), environment(env), _log(plan, "stream"), stop_seconds=4)]
    for name, queues in WORKERS.items():
        command = [
            *celery,
            "worker",
            "--pool",
            "threads",
            "--concurrency",
            "4",
            "-Q",
            queues,
            "-n",
            f"{name}@demo",
            *lean,
        ]
        children.append(
            Child(f"worker {name}", python(*command), environment(env), _log(plan, f"worker-{name}"), stop_seconds=12)
        )
    children.append(Child("beat", python(*celery, "beat", "--pidfile="), environment(env), _log(plan, "beat")))
    web = [
        "-m",
        "gunicorn",
        "kalbot.wsgi",
        "--bind",
        f"{plan.web_host}:{plan.web_port}",
        "--threads",
        "4",
        "--log-level",
        "warning",
    ]
    children.append(Child("web", python(*web), environment(env), _log(plan, "web"), stop_seconds=4))
    return children


def _log(plan: Plan, name: str) -> Path:
    return plan.state / "logs" / f"{name}.log"
