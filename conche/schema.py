"""`conche schema`: the JSON schemas of settings files, for editors, and what the docs tell of settings and signals."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from conche import reference
from conche.failure import Failure
from conche.site import SiteSettings, load_model

Schema = dict[str, Any]

PLANT_PAGE = Path("docs/plant.md")
"""Explains the plant; its tables of signals are made of the plant's own."""

_SCALARS = {"string", "number", "integer", "boolean"}
_SHOWN = ("description", "default")
_VARIABLE = {
    "description": "An environment variable: ${NAME}, or ${NAME:-default}.",
    "type": "string",
    "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}",
}


class File(StrEnum):
    """A kind of settings file."""

    GATEWAY = "gateway"
    SITE = "site"


def schema(
    file: Annotated[File, typer.Argument(help="Which settings file.")] = File.GATEWAY,
    *,
    write: Annotated[
        bool,
        typer.Option("--write", help="Write config/schema/*.json, docs/settings.md and the tables of docs/plant.md."),
    ] = False,
) -> None:
    """Print the JSON schema of a settings file. Editors check and complete with it what you type.

    A first line such as `# yaml-language-server: $schema=../schema/gateway.json` tells the editor where it is.
    """
    if not write:
        typer.echo(text(for_editors(model_schema(file))), nl=False)
        return
    for path, content in documents().items():
        try:
            path.write_text(content, encoding="utf-8")
        except OSError as error:
            raise Failure(f"{path} cannot be written ({error.strerror}): start it in the project's folder") from error
        typer.echo(f"wrote {path}")


def documents() -> dict[Path, str]:
    """What is made of the models and kept in the project: path below its folder, and content."""
    made = {Path(f"config/schema/{file}.json"): text(for_editors(model_schema(file))) for file in File}
    page = reference.page({file.value: model_schema(file) for file in (File.SITE, File.GATEWAY)})
    return {**made, Path("docs/settings.md"): page, PLANT_PAGE: plant_page()}


def plant_page() -> str:
    """docs/plant.md with the tables of signals of the shipped plant. Failure where it cannot be read."""
    from conche import signal_tables  # noqa: PLC0415 - the plant is slow to import
    from opcua_server.simulation import SIMULATION  # noqa: PLC0415
    from opcua_server.units import unit  # noqa: PLC0415
    from plant_model.signals import signals  # noqa: PLC0415

    table = (*signals(load_model(Path("config/plant/choco.yaml"), {})), *SIMULATION)
    try:
        return signal_tables.page(
            PLANT_PAGE.read_text(encoding="utf-8"), table, lambda code: unit(code).DisplayName.Text
        )
    except OSError as error:
        raise Failure(f"{PLANT_PAGE} cannot be read ({error.strerror}): start it in the project's folder") from error
    except ValueError as error:
        raise Failure(f"{PLANT_PAGE} {error}") from error


def text(content: Schema) -> str:
    """JSON as it is kept in files."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def model_schema(file: File) -> Schema:
    """What the settings models say of themselves, in words of JSON schema."""
    if file is File.GATEWAY:
        from gateway.settings import GatewaySettings  # noqa: PLC0415 - the rooms are slow to import

        return GatewaySettings.model_json_schema()
    from opcua_server.settings import ServerSettings  # noqa: PLC0415

    site, plant = SiteSettings.model_json_schema(), ServerSettings.model_json_schema()
    model = {"type": "string", "format": "path", "description": "the plant's file, relative to this one"}
    state = plant["properties"]["state"] | {"default": "<state>/plant"}
    plant["properties"] = {"model": model} | plant["properties"] | {"state": state}
    plant["required"] = ["model"]
    site["$defs"]["ServerSettings"] = plant
    words = "the simulated plant and its OPC UA server"
    ways = [{"$ref": "#/$defs/ServerSettings"}, {"type": "null"}]
    site["properties"]["plant"] = {"anyOf": ways, "default": None, "description": words}
    return site


def for_editors(content: Schema) -> Schema:
    """The schema of the file as people write it: with `${NAME}` and `X_file` in place of any single value."""
    models = content["$defs"]
    chosen = {place.rpartition("/")[2] for place in _choices(content)}
    defs = {name: _model(model, is_chosen=name in chosen) for name, model in models.items()}
    head = {"$schema": "http://json-schema.org/draft-07/schema#"}
    return (
        head
        | _model({name: part for name, part in content.items() if name != "$defs"})
        | {"$defs": {"Variable": _VARIABLE, **defs}}
    )


def _choices(node: object) -> Iterator[str]:
    """The models that are told apart by `kind`, as references."""
    if isinstance(node, Mapping):
        yield from node.get("discriminator", {}).get("mapping", {}).values()
        for part in node.values():
            yield from _choices(part)
    elif isinstance(node, list):
        for part in node:
            yield from _choices(part)


def _model(model: Schema, *, is_chosen: bool = False) -> Schema:
    """A model's schema; one that is told apart by `kind` must say it."""
    properties = model.get("properties")
    if properties is None:
        return model
    singles = [name for name, one in properties.items() if _is_single(one) and "const" not in one]
    made = model | {"properties": {name: _property(one) for name, one in properties.items()}}
    if singles:
        made["patternProperties"] = {f"^({'|'.join(singles)})_file$": {"type": "string"}}
    if is_chosen:
        made["required"] = ["kind", *(name for name in model.get("required", ()) if name != "kind")]
    return made


def _property(one: Schema) -> Schema:
    bare = {name: part for name, part in one.items() if name != "title"}
    if isinstance(bare.get("default"), dict | list):
        del bare["default"]  # what the parts are by default stands with them
    if not _is_single(one) or "const" in one:
        return bare
    shown = {name: bare.pop(name) for name in _SHOWN if name in bare}
    return shown | {"anyOf": [*bare.get("anyOf", [bare]), {"$ref": "#/$defs/Variable"}]}


def _is_single(one: Schema) -> bool:
    """Whether a setting may be a single value, which the environment or a file can give."""
    return "enum" in one or one.get("type") in _SCALARS or any(map(_is_single, one.get("anyOf", ())))
