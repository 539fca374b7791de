"""The command that compares a newly fetched official file with ours."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml

from markets.kalshi.schemas.boundary import Json

from .api_changes import changes, main, routes

pytestmark = pytest.mark.shared


def test_the_routes_of_the_client_are_those_of_its_calls(openapi: Json) -> None:
    found = routes(openapi)
    assert found <= set(openapi["paths"])
    assert len(found) > 50
    assert "/portfolio/events/orders/{order_id}/amend" in found
    assert "/communications/rfqs" not in found


def test_the_same_file_has_no_changes(openapi: Json, asyncapi: Json) -> None:
    assert changes(openapi, copy.deepcopy(openapi)) == ([], 0)
    assert changes(asyncapi, copy.deepcopy(asyncapi)) == ([], 0)


def test_what_changed_is_listed_by_what_we_use(openapi: Json) -> None:
    newer = copy.deepcopy(openapi)
    schemas = newer["components"]["schemas"]
    schemas["Fill"]["properties"]["fee_currency"] = {"type": "string"}
    schemas["Market"]["properties"]["status"]["enum"].append("suspended")
    schemas["Series"]["required"].remove("fee_type")
    schemas["Order"]["properties"]["status"]["description"] = "other words"
    newer["paths"]["/markets/trades"]["get"]["parameters"].append({"name": "maker", "in": "query"})
    del newer["paths"]["/portfolio/settlements"]
    schemas["RFQ"]["properties"]["novelty"] = {"type": "string"}
    used, others = changes(openapi, newer)
    assert set(used) == {
        "Fill.properties.fee_currency: new",
        "Market.properties.status.enum: suspended is new",
        "Series.required: fee_type is gone",
        "/markets/trades.get.parameters.maker: new",
        "/portfolio/settlements: gone",
    }
    assert others == 1


def test_the_command_says_what_changed(openapi: Json, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    newer = copy.deepcopy(openapi)
    newer["components"]["schemas"]["Fill"]["properties"]["fee_cost"] = {"type": "integer"}
    for name, spec in (("old.yaml", openapi), ("new.yaml", newer)):
        (tmp_path / name).write_text(yaml.dump(spec, Dumper=yaml.CSafeDumper))
    assert main([str(tmp_path / "old.yaml"), str(tmp_path / "new.yaml")]) == 1
    assert "Fill.properties.fee_cost" in capsys.readouterr().out
    assert main([str(tmp_path / "old.yaml"), str(tmp_path / "old.yaml")]) == 0
    assert main([str(tmp_path / "old.yaml"), str(tmp_path / "absent.yaml")]) == 2
    assert main([]) == 2
