"""``bin/demo``: the whole bot on one machine, against the simulator on recorded markets."""

from __future__ import annotations

import argparse
import fcntl
import json
import logging
import os
import secrets
import signal
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any, NoReturn

from kalbot.local import processes
from kalbot.local.servers import ServerError, free_port, port_is_free, wait_for_port
from kalbot.local.supervisor import Child, Supervisor

ROOT = Path(__file__).resolve().parent.parent.parent
SNAPSHOT = ROOT / "simulator" / "data" / "20260719T155529Z"
READY_SECONDS = 180.0
"""For a server that hangs: one that ends is noticed at once, and a machine that is busy takes a minute to start one."""
OPERATOR_WAITS = 12.0
"""Seconds in which a person at the screen may answer advice before the demo's operator does."""
HEADLESS_WAITS = 2.0
STORY_SECONDS = 110.0
"""Longest wait at the end for the settlement that scores accepted advice: about a simulated day and its settlement."""


class DemoError(Exception):
    """The demo cannot run; the message is one sentence for a person."""


def main(argv: list[str] | None = None) -> int:
    """Run the demo. Returns the exit code: 0 good, 1 the loop did not close, 2 it could not run."""
    options = parse(argv)
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _frame: stopping.append(received))
    try:
        return run(options, stopping)
    except (DemoError, ServerError) as error:
        print(f"bin/demo: {error}", file=sys.stderr)
        return 2


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/demo", description=__doc__)
    parser.add_argument("--seconds", type=float, help="run without a screen for this long, then stop")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write a summary there at the end")
    parser.add_argument("--snapshot", type=Path, default=SNAPSHOT, metavar="DIR", help="another recorded snapshot")
    parser.add_argument("--seed", type=int, default=1, help="another course of the markets")
    parser.add_argument("--still", action="store_true", help="leave the books exactly as recorded; plant no edge")
    parser.add_argument(
        "--speed", type=float, default=1200.0, help="how many times faster markets close (default 1200)"
    )
    parser.add_argument("--edge-every", type=float, default=6.0, help="seconds between mispriced baskets (default 6)")
    parser.add_argument(
        "--turn-every",
        type=int,
        default=2,
        metavar="N",
        help="the weather turns against every Nth coverage edge (default 2; 0: never)",
    )
    parser.add_argument(
        "--maker-events",
        type=int,
        default=3,
        metavar="N",
        help="weather events at once in which a resting leg pays and taking every leg does not (default 3; 0: none)",
    )
    parser.add_argument("--port", type=int, help="of the web server (default: 8000, or a free one)")
    parser.add_argument("--host", default="127.0.0.1", help="address of the web server (in a container: 0.0.0.0)")
    parser.add_argument("--state", type=Path, metavar="DIR", help="folder of the demo's state (default: under .demo/)")
    options = parser.parse_args(argv)
    if options.seconds is not None and options.seconds <= 0:
        parser.error("--seconds must be more than zero")
    if options.speed <= 0 or options.edge_every <= 0:
        parser.error("--speed and --edge-every must be more than zero")
    if options.turn_every < 0 or options.maker_events < 0:
        parser.error("--turn-every and --maker-events must not be below zero")
    if options.port is not None and not 0 < options.port < 65_536:
        parser.error("--port must be between 1 and 65535")
    if options.json is not None and not options.json.parent.is_dir():
        parser.error(f"--json: there is no folder {options.json.parent}")
    return options


def run(options: argparse.Namespace, stopping: list[int]) -> int:
    state = prepare_state(options)
    lock = (state / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise DemoError(f"another demo is running on {state}; stop it, or name another folder with --state") from None
    plan = make_plan(options, state)
    say(f"state in {state}")
    messages: deque[str] = deque(maxlen=6)
    supervisor = Supervisor(on_change=messages.append)
    try:
        start(plan, supervisor)
        return watch(options, plan, supervisor, messages, stopping)
    finally:
        supervisor.stop()
        say("everything is stopped")


def prepare_state(options: argparse.Namespace) -> Path:
    """The folder of this demo's state, made if needed. One folder a (snapshot, seed, still)."""
    snapshot = options.snapshot.resolve()
    if not (snapshot / "events.jsonl.gz").is_file():
        raise DemoError(f"{options.snapshot} is not a recorded snapshot: it has no events.jsonl.gz")
    name = f"{snapshot.name}-{options.seed}" + ("-still" if options.still else "")
    state: Path = (options.state or ROOT / ".demo" / name).resolve()
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DemoError(f"the folder {state} cannot be made: {error.strerror}") from None
    return state


def make_plan(options: argparse.Namespace, state: Path) -> processes.Plan:
    if options.port is not None and not port_is_free(options.port):
        raise DemoError(f"port {options.port} is in use; name another one with --port")
    web = options.port or (8000 if port_is_free(8000) else free_port())
    return processes.Plan(
        state=state,
        snapshot=options.snapshot.resolve(),
        seed=options.seed,
        speed=1.0 if options.still else options.speed,
        edge_every=options.edge_every,
        turn_every=options.turn_every,
        maker_events=options.maker_events,
        still=options.still,
        web_host=options.host,
        web_port=web,
        simulator_port=free_port(),
        weather_port=free_port(),
        redis_port=free_port(),
    )


def start(plan: processes.Plan, supervisor: Supervisor) -> None:
    """Start everything in order. The product's settings go into the environment, where its processes read them; a ``.env`` for production
    is none of the demo's business."""
    env = {
        "KALBOT_ENV_FILE": "",
        "KALBOT_STATE": str(plan.state),
        "SECRET_KEY": remembered(plan.state / "secret_key", lambda: secrets.token_urlsafe(50)),
        "KALBOT_LIVE": "true",
        "KALBOT_SCAN_SECONDS": os.environ.get("KALBOT_SCAN_SECONDS", "15"),
        "KALBOT_ASSESS_SECONDS": os.environ.get("KALBOT_ASSESS_SECONDS", "5"),
        "DJANGO_SETTINGS_MODULE": "kalbot.settings",
    }
    if "REDIS_URL" not in os.environ:
        wait_for_port(plan.redis_port, supervisor.add(processes.redis(plan)).process)
        env["REDIS_URL"] = f"redis://127.0.0.1:{plan.redis_port}"
    exchange = supervisor.add(processes.simulator(plan))
    ready = wait_until_ready(exchange, plan.simulator_port)
    sky = wait_until_ready(supervisor.add(processes.weather(plan, ready["rest"])), plan.weather_port)
    credentials = Path(ready["credentials"])
    env |= {
        "KALSHI_REST_URL": ready["rest"],
        "KALSHI_WS_URL": ready["ws"],
        "KALSHI_KEY_ID": ready["key_id"],
        "KALSHI_PRIVATE_KEY_PATH": str(credentials / "private_key.pem"),
        "NWS_URL": sky["url"],
        "OPENMETEO_URL": sky["url"],
        "TRIAGE_WORLD_SPEED": str(plan.speed),
    }
    os.environ.update(env)
    prepare_database(plan)
    for child in processes.product(plan, env):
        supervisor.add(child)


def wait_until_ready(server: Child, port: int) -> dict[str, Any]:
    """The server's own word that it listens on ``port``. Raises DemoError with its reason when it ends instead."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        ended = not server.running
        for line in server.tail(50).splitlines():
            if line.startswith('{"ready"') and (found := json.loads(line))["port"] == port:
                return dict(found)
        if ended:
            raise DemoError(f"the {server.name} did not start: {server.tail(1) or f'see {server.log}'}")
        time.sleep(0.05)
    raise DemoError(f"the {server.name} was not ready after {READY_SECONDS:.0f} s; see {server.log}")


def prepare_database(plan: processes.Plan) -> None:
    """Migrate, seed, and make the admin user; works on the state that an earlier demo left."""
    import django

    django.setup()
    # What the demo's operator does stands on the screen in words of its own.
    logging.getLogger("kalbot.events").setLevel(logging.WARNING)
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    from kalbot.common.messages import SCAN_CATALOGUE, send_on_commit
    from kalbot.local import seeding
    from markets import identity

    say("migrating the database and seeding profiles")
    call_command("migrate", verbosity=0, interactive=False)
    call_command("seed", verbosity=0)
    identity.accept()  # the simulator of this folder listens on another port at each start
    seeding.approve_simulated_terms()
    seeding.trade_live_on_the_simulator()
    password = remembered(plan.state / "admin_password", lambda: secrets.token_urlsafe(9))
    users = get_user_model().objects
    if not users.filter(username="admin").exists():
        users.create_superuser("admin", "", password)
    say(f"admin: http://127.0.0.1:{plan.web_port}/admin/  user admin  password {password}")
    send_on_commit(SCAN_CATALOGUE)


def remembered(path: Path, make: Any) -> str:
    """A secret kept in the state folder, made at the first start; readable by its owner only."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(make())
    return path.read_text().strip()


def watch(
    options: argparse.Namespace,
    plan: processes.Plan,
    supervisor: Supervisor,
    messages: deque[str],
    stopping: list[int],
) -> int:
    """Keep everything running until it is time to stop; then let it come to rest and judge the result."""
    from kalbot.local import rest, screen, screen_result, story, summary

    deadline = time.monotonic() + options.seconds if options.seconds else None
    view = screen.Headless(options.seconds) if deadline else screen.Live(plan)
    with view:
        while not stopping and (deadline is None or time.monotonic() < deadline):
            supervisor.tick()
            note_processes(plan.state, supervisor.pids())
            for line in story.operate(OPERATOR_WAITS if deadline is None else HEADLESS_WAITS):
                messages.append(line)
                if deadline is not None:
                    say(line)
            view.update(supervisor, messages)
            time.sleep(0.5)
    story_seconds = STORY_SECONDS if plan.turn_every and not plan.still else 0.0
    presses = len(stopping)
    say(
        "stopping: no new baskets, what is under way comes to rest "
        f"(at most {max(rest.LONGEST_SECONDS, story_seconds):.0f} s; Ctrl-C again ends it at once)"
    )
    rest.settle_down(supervisor, story_seconds=story_seconds, impatient=lambda: len(stopping) > presses)
    result = summary.summary()
    problems = summary.not_closed(result, still=plan.still)
    result["closed"], result["problems"] = not problems, problems
    if options.json:
        options.json.write_text(json.dumps(result, indent=1, default=str) + "\n")
    screen_result.print_result(result, still=plan.still)
    if options.seconds is None:
        return 0
    return 1 if problems else 0


def note_processes(state: Path, pids: dict[str, int]) -> None:
    """Write which process has which id; whoever reads meanwhile finds the list of before, never a part of one."""
    part = state / "pids.part"
    part.write_text(json.dumps(pids))
    part.replace(state / "pids.json")


def say(line: str) -> None:
    """One line of progress, on stderr."""
    print(f"bin/demo: {line}", file=sys.stderr, flush=True)


def leave() -> NoReturn:
    """Exit at once with what ``main`` says."""
    code = main()
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    leave()
