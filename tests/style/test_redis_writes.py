"""Whatever writes to Redis says when the key ends, or is listed in ``tests/redis_keys.py`` under the reason why it does not."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any, Final

import pytest
import redis

from tests import redis_keys

ROOT: Final = Path(__file__).resolve().parents[2]
PRODUCT: Final = ("kalbot", "markets", "strategies", "trading", "triage")
WRITES: Final = {"set", "setnx", "getset", "mset", "hset", "hincrby", "incr", "rpush", "lpush", "sadd", "zadd", "xadd"}
READS: Final = {"get", "mget", "hget", "hmget", "hgetall", "delete", "exists", "lrange", "llen", "publish"}
ENDS: Final = {"expire", "pexpire"}
CLIENTS: Final = {"client", "pipe", "pipeline", "redis", "_redis", "cache.prices()", "cache.broker()", "store.broker()"}
LASTING: Final = {
    "kalbot/common/counters.py": "counters",
    "kalbot/console/ops/records/task_runs.py": "console:tasks",
    "kalbot/console/ops/health/heartbeats.py": "console:sent",
    "kalbot/common/transport.py": "unreadable",
    "kalbot/common/urgent.py": "strategy",
    "triage/assessment/triggers.py": "triage:lifecycle",
    "markets/streaming/output/leader.py": "px:fence:*",
    "markets/streaming/output/publisher.py": "px:q:*",
}
"""Modules with a write without an end -> the pattern of the key."""


def _paths() -> list[Path]:
    """Modules that know Redis."""
    paths = [path for part in PRODUCT for path in sorted((ROOT / part).rglob("*.py"))]
    return [
        path
        for path in paths
        if set(re.findall(r"^(?:from \S+ )?import .*\b(redis|cache)\b", path.read_text(), re.MULTILINE))
    ]


def _functions(path: Path) -> list[ast.FunctionDef]:
    tree = ast.parse(path.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def _on_redis(call: ast.Call) -> str:
    """The command that a call sends to Redis; empty when it sends none."""
    if not isinstance(call.func, ast.Attribute):
        return ""
    receiver = ast.unparse(call.func.value).removeprefix("self.")
    return call.func.attr if receiver in CLIENTS else ""


def _without_end(path: Path) -> list[str]:
    found = []
    for function in _functions(path):
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
        if ENDS & {_on_redis(call) for call in calls}:
            continue
        found += [
            f"{path.relative_to(ROOT)}:{call.lineno}: {ast.unparse(call)}"
            for call in calls
            if _on_redis(call) in WRITES and not {"ex", "px"} & {keyword.arg for keyword in call.keywords}
        ]
    return found


def _of_nobody(path: Path) -> list[str]:
    """Calls whose key is a text in the code, or a constant of the module that is one: it lacks the installation's prefix."""
    tree = ast.parse(path.read_text())
    plain = {
        ast.unparse(target)
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant | ast.JoinedStr)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    }
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _on_redis(node) in WRITES | READS]
    return [
        f"{path.relative_to(ROOT)}:{call.lineno}: {ast.unparse(call)}"
        for call in calls
        if call.args
        and (isinstance(call.args[0], ast.Constant | ast.JoinedStr) or ast.unparse(call.args[0]) in plain)
        and not ast.unparse(call.args[0]).lstrip("f'\"").startswith(("{", redis_keys.ELSEWHERE))
    ]


def _scripts_without_end(path: Path) -> list[str]:
    """Scripts of a module that write and let nothing expire, and records that one sets without an end."""
    texts = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
    scripts = [text for text in texts if isinstance(text, str) and "redis.call(" in text]
    writing = [one for one in scripts if any(f"redis.call('{name}'" in one for name in WRITES)]
    endless = [
        one for one in writing if "'EX'" not in one and ("pexpire" not in one or "'mset'" in one or "'incr'" in one)
    ]
    return [f"{path.relative_to(ROOT)}: {one.strip()[:60]}" for one in endless]


def test_every_key_is_under_the_name_of_the_installation() -> None:
    """Behind a name in braces stands a constant that has the prefix."""
    assert [line for path in _paths() for line in _of_nobody(path)] == []


def test_whatever_writes_to_redis_says_when_it_ends() -> None:
    found = {str(path.relative_to(ROOT)): _without_end(path) + _scripts_without_end(path) for path in _paths()}
    endless = {path: lines for path, lines in found.items() if lines}
    assert {path: lines for path, lines in endless.items() if path not in LASTING} == {}
    assert set(endless) == set(LASTING), "a module that is listed writes nothing without an end any more"
    assert set(LASTING.values()) <= set(redis_keys.WITHOUT_END)


@pytest.mark.parametrize(
    ("name", "seconds", "problem"),
    [
        ("kalbot:x:px:q:ABC", 0, ""),
        ("kalbot:x:price_history:ABC", 60, ""),
        ("limit:x:key:read", 60, ""),
        ("kalbot:x:price_history:ABC", 0, "price_history:ABC has no end"),
        ("exchange:hours", 60, "exchange:hours is not under kalbot:x:"),
    ],
)
def test_a_key_without_an_end_or_of_nobody_is_named(
    redis_db: redis.Redis, name: str, seconds: int, problem: str, settings: Any
) -> None:
    redis_db.set(name, 1, ex=seconds or None)
    url = settings.PRICES_URL.rpartition("/")[0]
    assert redis_keys.problems(url, "kalbot:x:") == ([problem] if problem else [])
