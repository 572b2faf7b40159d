"""docs/plant.md tells every signal of the plant, and nothing that is not there."""

from __future__ import annotations

import re

import pytest
from support_documents import ROOT, blocks
from support_plant import shipped

from conche.signal_tables import page, tables
from opcua_server.simulation import SIMULATION
from plant_model.equipment import STATIONS
from plant_model.signals import signals

PAGE = ROOT / "docs/plant.md"
TABLE = (*signals(shipped()), *SIMULATION)


def told() -> list[str]:
    """The nodes that the tables of the page tell: each place above a table with each of its tags."""
    nodes: list[str] = []
    places: list[str] = []
    for line in PAGE.read_text().splitlines():
        if line.startswith("**`"):
            places = re.findall(r"`([^`]+)`", line)
        elif line.startswith("| `") and places:
            nodes += [f"{place}.{line.split('`')[1]}" for place in places]
    return nodes


def test_every_signal_is_told_once() -> None:
    assert sorted(told()) == sorted(signal.node for signal in TABLE)


def test_the_diagram_has_every_station() -> None:
    (diagram,) = blocks(PAGE, "mermaid")
    assert [station for station in STATIONS if not re.search(rf"\b{station}\b", diagram.text)] == []


def test_a_changed_signal_changes_the_page() -> None:
    text = PAGE.read_text()
    assert page(text, TABLE, str) != page(text, TABLE[1:], str)


def test_what_is_written_by_hand_stays() -> None:
    text = PAGE.read_text()
    before, after = (page(text, some, str).partition("<!-- begin")[0] for some in (TABLE, TABLE[:5]))
    assert before == after == text.partition("<!-- begin")[0]


def test_a_page_without_a_place_for_the_tables_is_refused() -> None:
    with pytest.raises(ValueError, match="between which the tables go"):
        page("# The plant\n", TABLE, str)


def test_ranges_that_differ_from_place_to_place_say_so() -> None:
    power = [signal for signal in TABLE if signal.node.endswith("Energy.ActivePower")]
    assert "| `Energy.ActivePower` | Double | KWT | 0 … by place |" in tables(power, str)
