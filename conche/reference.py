"""docs/settings.md: every setting with its type, default and meaning, made of the schemas of the models."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

_INTRODUCTION = """\
# Settings

*Made by `conche schema --write` from the settings models. Do not edit.*

Times are in seconds (`_s`) or milliseconds (`_ms`), sizes in bytes (`_bytes`). `sources[]` is an entry of the list
`sources`. `${NAME}` is an environment variable, `${NAME:-default}` one with a default; `X_file: path` reads X from a
file. Unknown keys are errors. [gateway.md](gateway.md) explains what belongs together, and gives examples.
"""
_FILES = {
    "site": "## Site file\n\nWhat `conche run` starts together: `config/demo.yaml`.\n",
    "gateway": "## Gateway file\n\nWhat `conche gateway` reads: `config/gateway/demo.yaml`.\n",
}
_TYPES = {"string": "text", "number": "number", "integer": "whole number", "boolean": "`true` or `false`"}
_FORMATS = {"path": "path", "password": "secret text"}
_UNITS = {"_s": "s", "_ms": "ms", "_bytes": "bytes", "_d": "days", "_days": "days"}
_LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
_SIZES = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_SPANS = ((86_400, "d"), (3_600, "h"), (60, "min"))


@dataclass(frozen=True, slots=True)
class _Section:
    """A model at a place in the file."""

    place: str
    kind: str  # what tells it from others at the same place; "" where there are none
    model: str

    @property
    def title(self) -> str:
        """As the heading says it."""
        return f"`{self.place}`" + (f" with `kind: {self.kind}`" if self.kind else "")


def page(files: Mapping[str, Schema]) -> str:
    """The whole page. `files`: schema by kind of file."""
    return "\n".join([_INTRODUCTION, *(part for file, schema in files.items() for part in _file(file, schema))])


def _file(file: str, schema: Schema) -> Iterator[str]:
    yield _FILES[file] + "\n" + _table(schema, schema)
    known: set[str] = set()
    waiting = list(_parts(schema, "", schema))
    while waiting:
        section = waiting.pop(0)
        if section.model not in known:  # what stands at several places is told once
            known.add(section.model)
            model = _form(schema["$defs"][section.model])
            yield f"### {section.title}\n\n{_sentence(model['description'])}\n\n" + _table(model, schema)
            waiting[:0] = _parts(model, f"{section.place}.", schema)


def _parts(model: Schema, prefix: str, schema: Schema) -> Iterator[_Section]:
    """The models below a model, in the order of its settings."""
    for name, one in model["properties"].items():
        for place, kind, part in _models(one, f"{prefix}{name}"):
            if _form(schema["$defs"][part]):
                yield _Section(place, kind, part)


def _models(one: Schema, place: str) -> Iterator[tuple[str, str, str]]:
    """(place, kind, model) of all models that may stand at a place."""
    if "$ref" in one:
        yield place, "", _name(one["$ref"])
    elif "discriminator" in one:
        for kind, reference in one["discriminator"]["mapping"].items():
            yield place, kind, _name(reference)
    for other in one.get("anyOf", ()):
        yield from _models(other, place)
    if "items" in one:
        yield from _models(one["items"], f"{place}[]")
    if isinstance(one.get("additionalProperties"), dict):
        yield from _models(one["additionalProperties"], f"{place}.<name>")


def _form(model: Schema) -> Schema:
    """The part of a model's schema that has settings, where there is also a short form; {} where none has."""
    return next((way for way in (model, *model.get("anyOf", ())) if "properties" in way), {})


def _table(model: Schema, schema: Schema) -> str:
    rows = ["| setting | type | default | meaning |", "|---|---|---|---|"]
    for name, one in model["properties"].items():
        if "const" not in one:
            default = "required" if name in model.get("required", ()) else _default(name, one)
            cells = (
                f"`{name}`",
                _type(one, schema) + _unit(name) + _limits(one),
                default,
                _sentence(one["description"]),
            )
            rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def _unit(name: str) -> str:
    return next((f" ({unit})" for suffix, unit in _UNITS.items() if name.endswith(suffix)), "")


def _limits(one: Schema) -> str:
    return ",".join(f" {sign} {_written(one[limit])}" for limit, sign in _LIMITS.items() if limit in one)


def _type(one: Schema, schema: Schema) -> str:
    """What may stand there, in words."""
    match one:
        case {"$ref": str(place)}:
            words = _type(schema["$defs"][_name(place)], schema)
        case {"enum": choices}:
            words = " or ".join(f"`{choice}`" for choice in dict.fromkeys(map(str, choices)))
        case {"anyOf": ways}:
            words = " or ".join(dict.fromkeys(_type(way, schema) for way in ways if way.get("type") != "null"))
        case {"discriminator": _} | {"properties": _}:
            words = "section"
        case {"items": item}:
            words = f"list ({_type(item, schema)})"
        case {"additionalProperties": item}:
            words = f"mapping ({_type(item, schema)})"
        case {"type": str(kind)}:
            words = _FORMATS.get(one.get("format", ""), _TYPES[kind])
    return words


def _default(name: str, one: Schema) -> str:
    default = one.get("default")
    if default is None or default in ("", [], {}):
        return "none"
    if isinstance(default, dict) or (isinstance(default, list) and isinstance(default[0], dict)):
        return _whole(default)
    return f"`{_written(default)}`" + _spoken(name, default)


def _whole(default: object) -> str:
    """The default of a section: what its settings are by themselves, unless it names something."""
    match default:
        case [{"kind": str(kind)}]:
            return f"one with `kind: {kind}`"
        case {"kind": str(kind)}:
            return f"`kind: {kind}`"
        case {"name": str(name), "email": str(email)}:
            return f"`{name} <{email}>`"
        case _:
            return "as below"


def _written(default: object) -> str:
    if isinstance(default, float) and default.is_integer():
        return str(int(default))
    return default if isinstance(default, str) else json.dumps(default, ensure_ascii=False)


def _spoken(name: str, default: object) -> str:
    """Great numbers in words people use: 86400 s = 1 d."""
    scale = _SIZES if name.endswith("_bytes") else _SPANS if name.endswith("_s") else ()
    fits = (
        (default / size, unit)
        for size, unit in scale
        if isinstance(default, int | float) and default >= size and not default % size
    )
    return next((f" ({count:g} {unit})" for count, unit in fits), "")


def _sentence(words: str) -> str:
    """With a capital letter, unless it begins with a value and what that means, and a full stop."""
    flat = " ".join(words.split()).replace("<", "\\<")
    start = flat if flat.partition(" ")[0].endswith(":") else flat[:1].upper() + flat[1:]
    return start if start.endswith((".", "…")) else f"{start}."


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]
