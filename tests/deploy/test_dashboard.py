"""The dashboard of `deploy/` is one that Grafana shows whole: nothing empty, nothing hidden."""

import json
from collections import Counter
from itertools import product
from typing import Any

import pytest

from tests.running import PROJECT

FILE = PROJECT / "deploy" / "grafana" / "voice-server.json"
COLUMNS = 24
"""Grafana's grid is so wide."""
SOURCE = {"type": "prometheus", "uid": "${datasource}"}

Panel = dict[str, Any]


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return read


@pytest.fixture(scope="module")
def panels(dashboard: dict[str, Any]) -> list[Panel]:
    """Those of rows that are folded too."""
    top: list[Panel] = dashboard["panels"]
    assert top
    return [each for panel in top for each in (panel, *panel.get("panels", ()))]


def test_every_panel_has_a_title_and_asks_the_source_that_is_chosen(
    dashboard: dict[str, Any], panels: list[Panel]
) -> None:
    assert [panel["id"] for panel in panels if not panel.get("title", "").strip()] == []
    asking = [panel for panel in panels if panel["type"] != "row"]
    for panel in asking:
        assert panel["datasource"] == SOURCE, panel["title"]
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert target["expr"].strip(), panel["title"]
            assert target["datasource"] == SOURCE, panel["title"]
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters), panel["title"]
    chosen = {variable["name"]: variable["type"] for variable in dashboard["templating"]["list"]}
    assert chosen["datasource"] == "datasource"


def test_every_query_asks_of_the_servers_that_are_chosen(
    dashboard: dict[str, Any], panels: list[Panel]
) -> None:
    queries = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    assert [query for query in queries if 'instance=~"$instance"' not in query] == []
    assert "instance" in [variable["name"] for variable in dashboard["templating"]["list"]]


def test_no_two_panels_have_one_id_or_one_place(panels: list[Panel]) -> None:
    ids = Counter(panel["id"] for panel in panels)
    assert [each for each, count in ids.items() if count > 1] == []
    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] >= 0, panel["title"]
        assert place["x"] + place["w"] <= COLUMNS, panel["title"]
        assert min(place["w"], place["h"]) > 0, panel["title"]
        columns = range(place["x"], place["x"] + place["w"])
        for cell in product(columns, range(place["y"], place["y"] + place["h"])):
            assert cell not in taken, f"{panel['title']} covers {taken[cell]}"
            taken[cell] = panel["title"]
