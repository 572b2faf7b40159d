"""`conche check`: look at settings without starting anything."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from conche.config import ConfigError, Finding, load
from conche.scenario import load_study
from conche.site import DEMO, load_gateway, load_model, load_site

Loader = Callable[[Path, Mapping[str, str]], object]


def check(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Site, gateway, plant or scenario files. Without any: the demo's.")
    ] = None,
) -> None:
    """Check settings files without starting anything: every error at once, with file, line and place.

    A site file is checked with the plant and gateway files it names. Exit code 0: all good; 2: something is wrong.
    """
    findings: list[Finding] = []
    for file in files or [DEMO]:
        try:
            kind, loader = kind_of(load(file, os.environ).data)
            loader(file, os.environ)
        except ConfigError as error:
            findings.extend(error.findings)
        else:
            typer.echo(f"{file}: good ({kind})")
    if findings:
        raise ConfigError(dict.fromkeys(findings))


def kind_of(data: Mapping[str, Any]) -> tuple[str, Loader]:
    """What kind of file this is, by its keys, and what reads it."""
    if "sources" in data or "sinks" in data:
        return "gateway", load_gateway
    if "scenarios" in data:
        return "scenarios", load_study
    if "stations" in data:
        return "plant", load_model
    return "site", load_site
