"""The schemas and docs/settings.md say what the settings models say, and fit the shipped files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from conche.schema import File, documents, for_editors, model_schema

ROOT = Path(__file__).parents[3]
SHIPPED = {
    "config/demo.yaml": File.SITE,
    "config/compose/plant.yaml": File.SITE,
    "config/gateway/demo.yaml": File.GATEWAY,
    "config/compose/gateway.yaml": File.GATEWAY,
}


@pytest.mark.parametrize("path", documents(), ids=str)
def test_what_is_made_of_the_models_is_current(path: Path) -> None:
    assert (ROOT / path).read_text() == documents()[path], "run: conche schema --write"


def settings(file: File) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every setting of a kind of file, with what the schema says of it."""
    schema = model_schema(file)
    for name, model in {"": schema, **schema["$defs"]}.items():
        for setting, one in model.get("properties", {}).items():
            yield f"{name}.{setting}", one


@pytest.mark.parametrize("file", File)
def test_every_setting_says_what_it_is(file: File) -> None:
    assert [name for name, one in settings(file) if "const" not in one and not one.get("description")] == []


@pytest.mark.parametrize("file", File)
def test_every_setting_stands_in_the_reference(file: File) -> None:
    page = (ROOT / "docs/settings.md").read_text()
    names = {name.rpartition(".")[2] for name, one in settings(file) if "const" not in one}
    assert [name for name in sorted(names) if f"| `{name}` |" not in page] == []


def plain(text: str) -> Any:
    """The file as an editor sees it: variables are not filled in."""
    return yaml.safe_load(text)


def said(file: File, data: Any) -> list[str]:
    return [error.message for error in Draft7Validator(for_editors(model_schema(file))).iter_errors(data)]


@pytest.mark.parametrize("path", SHIPPED)
def test_the_shipped_files_fit_the_schema_they_name(path: str) -> None:
    content = (ROOT / path).read_text()
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", content)
    assert named
    kind = SHIPPED[path]
    assert ((ROOT / path).parent / named[1]).resolve() == ROOT / f"config/schema/{kind}.json"
    assert said(kind, plain(content)) == []


def test_the_schemas_are_schemas() -> None:
    for file in File:
        Draft7Validator.check_schema(json.loads((ROOT / f"config/schema/{file}.json").read_text()))


SOURCE = {"name": "a", "url": "opc.tcp://host:4840"}


@pytest.mark.parametrize(
    "data",
    [
        {"sources": [SOURCE], "page": {"port": "${PORT:-8080}"}},
        {"sources": [SOURCE], "page": {"password_file": "secrets/page"}},
        {"sources": [SOURCE | {"security": {"policy": "Basic256Sha256", "user": "u", "password_file": "p"}}]},
        {"sources": [SOURCE], "naming": {"paths": ["{line}/{tag}", {"match": "{tag}", "set": {"line": "x"}}]}},
        {"sources": [SOURCE], "sinks": [{"kind": "uns", "broker": {"protocol": "3.1.1", "tls": {}}}]},
        {"sources": [SOURCE], "notify": {"kind": "smtp", "from": "A <a@b.example>", "host": "mail"}},
    ],
)
def test_an_editor_accepts_what_conche_accepts(data: dict[str, Any]) -> None:
    assert said(File.GATEWAY, data) == []


@pytest.mark.parametrize(
    "data",
    [
        {"sources": [SOURCE], "sink": []},
        {"sources": [{"name": "a"}]},
        {"sources": [SOURCE | {"queue_size": 1}]},
        {"sources": [SOURCE | {"url": "http://host"}]},
        {"sources": [SOURCE], "page": {"port": "eighty"}},
        {"sources": [SOURCE], "page": {"passwort_file": "secrets/page"}},
        {"sources": [SOURCE], "sinks": [{"kind": "kafka"}]},
        {"sources": [SOURCE], "sinks": [{"name": "no kind"}]},
        {"sources": [SOURCE], "notify": {"kind": "ses", "from": "A <a@b.example>"}},
    ],
)
def test_an_editor_marks_what_conche_refuses(data: dict[str, Any]) -> None:
    assert said(File.GATEWAY, data) != []


def test_a_site_file_names_the_model_of_its_plant() -> None:
    assert said(File.SITE, {"plant": {"model": "plant/choco.yaml", "port": "${PORT}"}}) == []
    assert said(File.SITE, {"plant": {"port": 4840}}) != []
