"""`make faults`: every case against real gateway processes, one line of the table each.

Prints a table and writes build/faults.jsonl, one {case, server, changes, delivered, lost, announced, duplicated,
recovered_s} a line: of each count the worst of the three sinks. Exit code 1 when something is lost without a word.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import secrets
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from faults.case import Case
from faults.cases import CASES
from faults.scene import ROOT, Scene
from faults.tally import Verdict


@dataclass(frozen=True)
class Line:
    """One line of build/faults.jsonl."""

    case: str
    server: str
    changes: int
    delivered: int
    lost: int
    announced: int
    duplicated: int
    recovered_s: float


@dataclass(frozen=True)
class Outcome:
    """A line, and what is wrong with it in words."""

    line: Line
    problem: str


async def run(case: Case, seed: int, folder: Path) -> Outcome:
    """One case from its start to its judgement."""
    scene = Scene(case.plan, folder, Random(f"{seed} {case.name} {case.plan.server}"))
    async with scene:
        await case.fault(scene)
        verdicts, recovered = await scene.finish(case.patience_s)
    return Outcome(_line(case, verdicts, recovered), _problem(case, verdicts))


def _line(case: Case, verdicts: list[Verdict], recovered: float) -> Line:
    worst = max(verdicts, key=lambda verdict: (verdict.lost - verdict.announced, verdict.lost))
    return Line(
        case.name,
        case.plan.server,
        worst.changes,
        worst.delivered,
        worst.lost,
        worst.announced,
        max(verdict.duplicated for verdict in verdicts),
        round(recovered, 1),
    )


def _problem(case: Case, verdicts: list[Verdict]) -> str:
    found = [f"{v.sink}: {_wrong(v)}" for v in verdicts if not v.is_sound]
    if not case.may_lose:
        found += [f"{v.sink}: lost {v.lost} that could be had" for v in verdicts if v.lost]
    if not verdicts[0].changes:
        found.append("nothing changed")
    return "; ".join(found)


def _wrong(verdict: Verdict) -> str:
    return (
        f"{verdict.lost - verdict.announced} lost without a word, {verdict.invented} never sent by the server, "
        f"{verdict.disordered} out of order"
    )


async def run_all(cases: list[Case], seed: int, jobs: int, keep: Path | None) -> list[Outcome]:
    """Some at a time: most of a case is waiting."""
    gate = asyncio.Semaphore(jobs)

    async def one(case: Case) -> Outcome:
        async with gate:
            folder = Path(tempfile.mkdtemp(prefix=re.sub(r"\W+", "-", case.name) + "-", dir=keep))
            try:
                outcome = await run(case, seed, folder)
            except (RuntimeError, TimeoutError) as error:
                outcome = Outcome(Line(case.name, case.plan.server, 0, 0, 0, 0, 0, 0.0), f"broke off: {error!r}")
            if keep is None:
                shutil.rmtree(folder)
            print(_row(outcome), file=sys.stderr, flush=True)
            return outcome

    return await asyncio.gather(*(one(case) for case in cases))


def _row(outcome: Outcome) -> str:
    line = outcome.line
    numbers = "".join(f"{n:>11}" for n in (line.changes, line.delivered, line.lost, line.announced, line.duplicated))
    mark = f"  {outcome.problem}" if outcome.problem else ""
    return f"{line.case:<48}{line.server:<11}{numbers}{line.recovered_s:>9.1f} s{mark}"


def report(outcomes: list[Outcome]) -> None:
    """The table, and build/faults.jsonl."""
    heads = "".join(f"{head:>11}" for head in ("changes", "delivered", "lost", "announced", "duplicated"))
    print(f"{'case':<48}{'server':<11}{heads}  recovered")
    for outcome in outcomes:
        print(_row(outcome))
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    (build / "faults.jsonl").write_text("".join(json.dumps(asdict(outcome.line)) + "\n" for outcome in outcomes))


def main() -> None:
    """Run the cases that are asked for; exit 1 when one fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 30), help="times of the faults")
    parser.add_argument("--case", default="", help="only cases whose name and server contain this")
    parser.add_argument("--jobs", type=int, default=2, help="cases at a time")
    parser.add_argument("--keep", type=Path, help="leave logs and journals in this folder")
    options = parser.parse_args()
    cases = [case for case in CASES if options.case in str(case)]
    print(f"seed {options.seed}: {len(cases)} cases", file=sys.stderr)
    outcomes = asyncio.run(run_all(cases, options.seed, options.jobs, options.keep))
    report(outcomes)
    sys.exit(any(outcome.problem for outcome in outcomes))


if __name__ == "__main__":
    main()
