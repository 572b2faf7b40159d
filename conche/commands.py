"""All commands of `conche`, and how a failure of one is said."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import Annotated

import typer

from conche.browse import browse
from conche.check import check
from conche.config import ConfigError
from conche.failure import MISUSED, Failure
from conche.journal import app as journal
from conche.run import run
from conche.scenario import app as scenario
from conche.schema import schema
from conche.serve import gateway, plant
from conche.trust import app as trust
from conche.watch import watch

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Every command has its own --help. Settings and how-tos: docs/.",
)
for command in (run, plant, gateway, check, browse, watch, schema):
    app.command()(command)
app.add_typer(scenario, name="scenario")
app.add_typer(journal, name="journal")
app.add_typer(trust, name="trust")


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it with the option's value
    if wanted:
        typer.echo(f"conche {metadata.version('conche')}")
        raise typer.Exit


@app.callback()
def conche(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Conche: OPC UA to MQTT, Sparkplug B and InfluxDB without losing a value, with a chocolate plant to try it on.

    `conche run` starts the demo. For your own server, write a gateway file (config/gateway/), look at it with
    `conche check`, and start `conche gateway` with it.
    """


def run_command() -> None:
    """Run a command. What a person can mend is said in plain lines: exit code 1, for bad settings 2."""
    try:
        app()
    except ConfigError as error:
        typer.echo(error, err=True)
        sys.exit(MISUSED)
    except Failure as failure:
        typer.echo(f"conche: {failure}", err=True)
        sys.exit(failure.code)
