"""The kinds of settings files, told apart by their sections; whoever takes one for another is told."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from conche.config import Document, Finding, Findings


class Kind(StrEnum):
    """What a settings file is for."""

    SITE = "site"
    GATEWAY = "gateway"
    SCENARIOS = "scenarios"
    PLANT = "plant"


_SECTIONS = {  # the first kind of which a file has a section is its own; a file of scenarios names a plant too
    Kind.GATEWAY: ("sources", "sinks"),
    Kind.SCENARIOS: ("scenarios",),
    Kind.PLANT: ("stations",),
    Kind.SITE: ("broker", "plant", "gateway"),
}
_USES = {
    Kind.SITE: "is a site file: start it with `conche run {file}`",
    Kind.GATEWAY: "is a gateway's file: start it with `conche gateway {file}`",
    Kind.SCENARIOS: "is a file of scenarios: run it with `conche scenario run {file}`",
    Kind.PLANT: "is a plant's file: name it in a site file, as plant.model",
}


def kind_of(data: Mapping[str, Any]) -> Kind | None:
    """What kind of file this is; None when it has no section that would tell."""
    return next((kind for kind, sections in _SECTIONS.items() if not data.keys().isdisjoint(sections)), None)


def expect(kind: Kind, document: Document, findings: Findings) -> Document:
    """The document; an empty one, with one finding instead of one a line, when it is of another kind."""
    found = kind_of(document.data)
    if found is None or found is kind:
        return document
    file = document.file
    return findings.refuse(file, [Finding(file, 0, (), _USES[found].format(file=file))])
