"""`conche check`: look at settings without starting anything."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from conche.config import ConfigError, Finding, load
from conche.kinds import Kind, kind_of
from conche.scenario import load_study
from conche.site import DEMO, load_gateway, load_model, load_site

_LOADERS: Mapping[Kind, Callable[[Path, Mapping[str, str]], object]] = {
    Kind.SITE: load_site,
    Kind.GATEWAY: load_gateway,
    Kind.SCENARIOS: load_study,
    Kind.PLANT: load_model,
}


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
            kind = kind_of(load(file, os.environ).data) or Kind.SITE
            _LOADERS[kind](file, os.environ)
        except ConfigError as error:
            findings.extend(error.findings)
        else:
            typer.echo(f"{file}: good ({kind})")
    if findings:
        raise ConfigError(dict.fromkeys(findings))
