"""docs/triage-sources.md, followed to the letter: its code sample becomes a module, its registration lines an edit of the registry."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import triage.sources
from kalbot.common import clock
from tests.triage.world import World, make_profile
from triage import agent
from triage.models import Assessment, SourceForecast
from triage.sources import refresh, registry

DOCUMENT = Path(__file__).parents[2] / "docs" / "triage-sources.md"
REAL_EXCHANGE = "https://external-api.demo.kalshi.co/trade-api/v2"


class DeskClient:
    """Answers as the sample's service would."""

    def __init__(self, probabilities: Mapping[str, float]) -> None:
        self.probabilities = dict(probabilities)
        self.requested: list[str] = []

    def get_json(self, url: str, params: Mapping[str, str] | None = None) -> Any:
        self.requested.append(url)
        return {"as_of_ms": clock.now_ms(), "probabilities": self.probabilities}


def code_samples() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def edited_registry(added: str) -> ModuleType:
    """The registry with the document's import added and its ``BUILT_IN`` instead of the present one."""
    import_line, built_in = added.strip().split("\n\n")
    source = Path(registry.__file__).read_text("utf-8")
    text, places = re.subn(r"^BUILT_IN: .*?^\)$", built_in, source, flags=re.MULTILINE | re.DOTALL)
    assert places == 1
    anchor = "from triage.sources.protocol import"
    module = ModuleType("edited_registry")
    exec(compile(text.replace(anchor, f"{import_line}\n{anchor}", 1), "registry.py", "exec"), module.__dict__)
    return module


@pytest.fixture
def documented_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    """The sample beside the other sources, registered as documented; every setting of triage at its default."""
    settings.KALSHI_REST_URL = REAL_EXCHANGE
    source, added = code_samples()
    (tmp_path / "desk.py").write_text(source, "utf-8")
    monkeypatch.setattr(triage.sources, "__path__", [*triage.sources.__path__, str(tmp_path)])
    monkeypatch.setattr(registry, "BUILT_IN", edited_registry(added).BUILT_IN)
    yield
    sys.modules.pop("triage.sources.desk", None)


def test_a_source_added_as_documented_is_fetched_and_its_opinion_is_in_the_assessment(
    world: World, documented_source: None
) -> None:
    event = world.list_event()
    position = world.hold(make_profile(), event, {"A": "yes", "B": "yes"}, kind="coverage", cost=7_000_000)
    world.publish()
    said = {world.ticker("A"): 0.2, world.ticker("B"): 0.2, world.ticker("C"): 0.6}
    client = DeskClient(said)
    assert refresh.refresh(client=client).failed == {}
    assert client.requested == [f"https://desk.example/v1/{world.name}"]
    agent.assess_positions([position.pk])
    [found] = Assessment.objects.get().sources
    assert (found["source"], found["opinion"], found["probabilities"]) == ("desk", True, said)
    assert SourceForecast.objects.filter(source="desk").exists()


def test_the_documented_sample_is_silent_about_an_outcome_too_few(world: World, documented_source: None) -> None:
    event = world.list_event()
    position = world.hold(make_profile(), event, {"A": "yes", "B": "yes"}, kind="coverage", cost=7_000_000)
    world.publish()
    refresh.refresh(client=DeskClient({world.ticker("A"): 0.4, world.ticker("B"): 0.6}))
    agent.assess_positions([position.pk])
    [found] = Assessment.objects.get().sources
    assert not found["opinion"]


def test_every_registered_source_is_consulted_by_default() -> None:
    assert registry.sources() == registry.BUILT_IN
    assert registry.unknown_names() == frozenset()


def test_a_name_that_no_source_has_is_reported(settings: Any, db: None, caplog: pytest.LogCaptureFixture) -> None:
    settings.TRIAGE_SOURCES = "nws, wunderground"
    assert registry.unknown_names() == {"wunderground"}
    refresh.refresh()
    assert "TRIAGE_SOURCES names sources that do not exist: wunderground" in caplog.text
