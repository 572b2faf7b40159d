"""`conche scenario`: what would the plant do if …: scenarios run, compared with the base case, and reported."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from conche.config import Document, Findings
from conche.executors import executor
from conche.failure import Failure
from conche.kinds import Kind, expect
from conche.site import beside

if TYPE_CHECKING:  # slow to import: other commands do not need them
    from plant_model.replications import Outcome, Row
    from plant_model.scenario import Study

REPORTS = Path("var/reports")
MARKS = {"better": "green", "worse": "red", "other": "blue", "same": "dim"}

app = typer.Typer(no_args_is_help=True, help="Run scenarios of the plant and compare them with the base case.")


@app.callback()
def scenario() -> None:
    """Scenarios: what would the plant do if … Files stand in config/scenarios/."""


@app.command()
def run(
    files: Annotated[list[Path], typer.Argument(help="Files of scenarios, such as config/scenarios/bottleneck.yaml.")],
    *,
    replications: Annotated[int | None, typer.Option(min=2, help="Runs of each case, instead of the file's.")] = None,
    seed: Annotated[int | None, typer.Option(min=1, help="Seed of the random numbers, instead of the file's.")] = None,
    reports: Annotated[Path, typer.Option(help="Folder for the HTML reports.")] = REPORTS,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes at once; without it one per core.")] = None,
    cluster: Annotated[str, typer.Option(help="Dask scheduler, tcp://host:8786, to run on instead.")] = "",
) -> None:
    """Run scenarios with replications, print the comparison with the base case, and write an HTML report of each file.

    All cases of a file meet the same random numbers; differences are paired, with confidence intervals.
    """
    studies = load_studies(files, os.environ)
    studies = {file: with_options(study, replications, seed) for file, study in studies.items()}
    console = Console()
    with executor(workers, cluster) as pool:
        for file, study in studies.items():
            outcomes = _run(study, pool, console)
            console.print(table(study, outcomes))
            for text in (text for outcome in outcomes for text in outcome.refused):
                console.print(text, style="yellow", markup=False)
            console.print(f"Report: {write_report(study, outcomes, reports / f'{file.stem}.html')}\n", soft_wrap=True)


def load_studies(files: Iterable[Path], environment: Mapping[str, str]) -> dict[Path, Study]:
    """Read files of scenarios and the plant files they name. Raises ConfigError with all that is wrong in any."""
    findings = Findings()
    studies = {file: _study(file, environment, findings) for file in files}
    findings.settle()
    return {file: study for file, study in studies.items() if study is not None}


def load_study(file: Path, environment: Mapping[str, str]) -> Study:
    """Read one file of scenarios. Raises ConfigError."""
    return load_studies([file], environment)[file]


def _study(file: Path, environment: Mapping[str, str], findings: Findings) -> Study | None:
    from plant_model import scenario, schema, spec  # noqa: PLC0415

    document = expect(Kind.SCENARIOS, findings.load(file, environment), findings)
    plant = _plant_document(document, environment, findings)
    if plant is None or findings.parse(plant, spec.parse, schema.SpecError) is None:
        return None
    return findings.parse(document, partial(scenario.parse_study, plant=plant.data), schema.SpecError)


def _plant_document(document: Document, environment: Mapping[str, str], findings: Findings) -> Document | None:
    plant: Any = document.data.get("plant")
    if not isinstance(plant, str):
        findings.add(document, ("plant",), "is missing: name the plant's file, such as ../plant/choco.yaml")
        return None
    return expect(Kind.PLANT, findings.load(beside(document.file, Path(plant)), environment), findings)


def with_options(study: Study, replications: int | None, seed: int | None) -> Study:
    """The study with what was asked for on the command line."""
    settings = study.settings
    chosen = replace(settings, replications=replications or settings.replications, seed=seed or settings.seed)
    return replace(study, settings=chosen)


def _run(study: Study, pool: Executor, console: Console) -> tuple[Outcome, ...]:
    from plant_model.replications import run_study, tasks  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(study.settings.title, total=tasks(study))
        return run_study(study, pool, lambda: progress.advance(task))


def table(study: Study, outcomes: tuple[Outcome, ...]) -> Table:
    """The comparison as a table for the terminal: mean and half-width, and below the paired difference to the base."""
    from conche.report.page import CHARTED  # noqa: PLC0415
    from plant_model.replications import bottleneck, compare  # noqa: PLC0415

    settings = study.settings
    certain = f"{100 * settings.confidence:g} %"
    caption = f"mean ± half-width ({certain}); below it the difference to the base, in brackets if it could be chance"
    shown = Table(title=settings.title, caption=caption, title_justify="left", caption_justify="left", box=SIMPLE_HEAD)
    shown.add_column("")
    for outcome in outcomes:
        shown.add_column(outcome.case.name, justify="right")
    rows = [compare(outcome, outcomes[0], settings.confidence) for outcome in outcomes]
    for line in zip(*rows, strict=True):
        measure = line[0].measure
        if measure.name in CHARTED:
            shown.add_row(f"{measure.name} [dim]{measure.unit}[/]", *map(_cell, line))
    shown.add_row("Waits least for others", *(bottleneck(outcome).station for outcome in outcomes))
    return shown


def _cell(row: Row) -> str:
    """Without breaks inside a figure."""
    from conche.report.words import judged, mean, spread, verdict  # noqa: PLC0415

    value = f"{mean(row.value)} [dim]{spread(row.value)}[/]".replace("± ", "±")
    difference = judged(row)
    return f"{value}\n[{MARKS[verdict(row)]}]{difference}[/]" if difference else value


def write_report(study: Study, outcomes: tuple[Outcome, ...], file: Path) -> Path:
    """Write the report of a study. Raises Failure when the folder cannot be written."""
    from conche.report.page import render  # noqa: PLC0415

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(render(study, outcomes), encoding="utf-8")
    except OSError as error:
        raise Failure(f"cannot write the report {file}: {error.strerror}. See --reports") from error
    return file
