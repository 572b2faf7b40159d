"""What the documents show works: settings load, commands exist, links lead somewhere, messages stand in the code."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer.main
from support_documents import PAGES, ROOT, Block, all_blocks, prose, rows

from conche.commands import app
from conche.config import load
from conche.kinds import Kind, kind_of
from conche.scenario import load_study
from conche.site import load_gateway, load_site
from gateway.naming import Naming, fill
from gateway.sinks.message import topic
from opcua_server.model.types import EVENT_TYPES
from opcua_server.simulation import SIMULATION
from plant_model.costs import Costs
from plant_model.measures import MEASURES, PART
from plant_model.packml import Command
from plant_model.signals import signals

ROOMS = ("conche", "gateway", "opcua_server", "plant_model")
FOREIGN = {"cat", "chromium", "cp", "curl", "mosquitto_sub", "rm"}
"""Programs of others that the documents call."""


class Everything(dict[str, str]):
    """An environment in which every variable is set."""

    def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]
        return super().get(key, default) or ("9000" if key.endswith("PORT") else "secret-enough")


SECTIONS = re.compile(r"^(\w+):", re.MULTILINE)
DEMO = (ROOT / "config/gateway/demo.yaml").read_text()


def section(name: str) -> str:
    """A section of the demo's gateway file."""
    found = re.search(rf"^{name}:.*?(?=^\S|\Z)", DEMO, re.MULTILINE | re.DOTALL)
    assert found, name
    return found[0]


def completed(text: str) -> str:
    """An example of a gateway file with what it needs besides, from the demo's file."""
    there = SECTIONS.findall(text)
    needed = [name for name in ("sources", "naming", "contacts") if name not in there]
    return "\n".join([text, *map(section, needed)])


@pytest.mark.parametrize("block", all_blocks("yaml"), ids=str)
def test_every_example_of_settings_is_good(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "example.yaml"
    for named in re.findall(r"_file: (\S+)", block.text):
        secret = tmp_path / named
        secret.parent.mkdir(exist_ok=True)
        secret.write_text("secret-enough\n")
    (tmp_path / "plant").symlink_to(ROOT / "config/plant")
    file.write_text(block.text)
    if kind_of(load(file, Everything()).data) is Kind.SCENARIOS:
        file = tmp_path / "scenarios" / "example.yaml"  # beside config/plant
        file.parent.mkdir()
        file.write_text(block.text)
        assert load_study(file, Everything()).cases
        return
    if "plant" in load(file, Everything()).data:
        assert load_site(file, Everything()).plant is not None
        return
    file.write_text(completed(block.text))
    assert kind_of(load(file, Everything()).data) is Kind.GATEWAY
    load_gateway(file, Everything())


@pytest.mark.parametrize("block", all_blocks("json"), ids=str)
def test_every_message_shown_is_json(block: Block) -> None:
    for line in block.text.splitlines():
        assert json.loads(line)


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command line in the documents: where it stands, and its words less assignments and comments."""
    for block in (*all_blocks("sh"), *all_blocks("")):
        for line in block.text.splitlines():
            words = shlex.split(line.partition(" # ")[0].replace("$(", "'$(").replace(")", ")'"))
            words = [
                word
                for i, word in enumerate(words)
                if not (re.match(r"[A-Z_]+=", word) and not any("=" not in before for before in words[:i]))
            ]
            if words:
                yield f"{block}: {line.strip()}", words


COMMANDS = dict(commands())


@pytest.mark.parametrize("where", COMMANDS)
def test_every_command_exists(where: str) -> None:
    program, *arguments = COMMANDS[where]
    if program == "make":
        targets = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
        wanted = [word for word in arguments[: arguments.index("&&") if "&&" in arguments else None] if "=" not in word]
        assert set(wanted) <= set(targets)
    elif program == ".venv/bin/conche":
        name, *rest = arguments
        command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
        with command.make_context(name, list(rest)):
            pass
    else:
        assert program in FOREIGN


@pytest.mark.parametrize("where", COMMANDS)
def test_every_file_of_the_project_in_a_command_exists(where: str) -> None:
    made_before = {"config/gateway/line3.yaml"}  # by the command above it
    named = {word for word in COMMANDS[where] if word.startswith(("config/", "docs/", "dashboards/"))}
    assert [word for word in named - made_before if not (ROOT / word).exists()] == []


def anchors(page: Path) -> set[str]:
    """The anchors that headings of a page make."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    missing = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            missing.append(link)
    assert missing == []


def code(cell: str) -> str:
    return cell.strip("`")


NAMED = list(rows(ROOT / "docs/gateway.md", "browse path"))


@pytest.mark.parametrize("cells", NAMED, ids=lambda cells: cells[0])
def test_the_worked_examples_of_names_are_what_naming_does(cells: list[str]) -> None:
    path, address, device, metric = map(code, cells)
    settings = load_gateway(ROOT / "config/gateway/demo.yaml", {})
    sinks = {sink.kind: sink for sink in settings.sinks}
    names = Naming(settings.naming).names(tuple(path.split("/")))
    assert topic(sinks["uns"].topic, names) == address  # type: ignore[union-attr]
    assert fill(sinks["sparkplug"].device, names) == device  # type: ignore[union-attr]
    assert fill(sinks["sparkplug"].metric, names) == metric  # type: ignore[union-attr]


def test_there_are_worked_examples_of_names() -> None:
    assert len(NAMED) >= 5


def said_by_the_code() -> str:
    """Every text constant of the code, the parts of f-strings joined by an ellipsis."""
    texts = []
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
                texts.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


def quoted() -> list[str]:
    """The messages that troubleshooting.md explains, those of libraries and servers left out."""
    messages = (cells[0] for cells in rows(ROOT / "docs/troubleshooting.md", "message"))
    return [code(message) for message in messages if "(from the " not in message]


SAID = said_by_the_code()


@pytest.mark.parametrize("message", quoted())
def test_every_message_explained_is_said_by_the_code(message: str) -> None:
    pieces = [piece.strip(" ():'") for piece in re.split(r"…|: ", message)]
    unknown = [piece for piece in pieces if len(piece) > 3 and piece not in SAID]
    assert unknown == []


def test_the_plants_nodes_in_the_documents_exist() -> None:
    spec = load_site(ROOT / "config/demo.yaml", {}).plant
    assert spec is not None
    nodes = {signal.node for signal in (*signals(spec.spec), *SIMULATION)}
    objects = {node.rsplit(".", depth)[0] for node in nodes for depth in range(1, node.count(".") + 1)}
    text = (ROOT / "docs/plant-server.md").read_text()
    named = set(re.findall(r"`s=([\w.]+)`", text))
    assert len(named) > 5
    assert named - nodes - objects == set()


@pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=lambda kind: kind.name)
def test_every_event_type_is_told_with_its_fields(kind) -> None:
    told = {code(cells[0]): cells[3] for cells in rows(ROOT / "docs/plant-server.md", "type")}
    assert told[kind.name].split(", ") == list(kind.fields)


def test_every_command_of_the_machines_is_told() -> None:
    text = (ROOT / "docs/plant-server.md").read_text()
    assert [name for name in Command.__members__ if f"`{name}`" not in text] == []


def test_every_measure_and_shipped_study_is_told() -> None:
    page = ROOT / "docs/scenarios.md"
    told = " ".join(row[0] for row in rows(page, "measure"))
    names = [measure.name.removeprefix(PART) for measure in MEASURES if measure.name[len(PART) :] not in Costs._fields]
    assert [name for name in names if name not in told] == []
    studies = " ".join(row[0] for row in rows(page, "file"))
    assert [file.stem for file in (ROOT / "config/scenarios").glob("*.yaml") if f"[{file.stem}]" not in studies] == []


def test_every_command_line_that_conche_has_is_in_a_document() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, click.Group) or hasattr(group, "commands")
    text = "\n".join(page.read_text() for page in PAGES)
    assert [name for name in group.commands if f"conche {name}" not in text] == []  # type: ignore[attr-defined]
