"""`make validate`: every experiment of the plant's reference against its theory. `--seed` for anyone who doubts.

Prints a table and writes build/validate.jsonl, one {experiment, theory, measured, half_width, ok} a line.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]  # a script has only its own folder on the path

from support_catalogue import EXPERIMENTS, LONGEST, SEED, findings  # noqa: E402
from support_experiments import CONFIDENCE, Finding  # noqa: E402

WIDTHS = (52, 16, 12, 11)


def shown(value: float | str) -> str:
    """A figure of the table."""
    return value if isinstance(value, str) else f"{value:.4f}" if abs(value) < 1e4 else f"{value:.1f}"


def cells(texts: Sequence[str]) -> str:
    """Texts in their columns: the first to the left, figures to the right."""
    name, *figures = texts
    return name.ljust(WIDTHS[0]) + "".join(text.rjust(width) for text, width in zip(figures, WIDTHS[1:], strict=True))


def row(finding: Finding) -> str:
    """A row of the table."""
    half_width = f"{finding.half_width:.1e}" if 0.0 < finding.half_width < 1e-4 else f"{finding.half_width:.4f}"
    texts = (finding.experiment, shown(finding.theory), shown(finding.measured), half_width)
    return f"{cells(texts)}  {'holds' if finding.ok else 'FAILS'}"


def report(futures: list[Future[list[Finding]]]) -> list[Finding]:
    """Print the findings as they come, in order."""
    found: list[Finding] = []
    for future in futures:
        for finding in future.result():
            print(row(finding), flush=True)
            found.append(finding)
    return found


def submitted(pool: Executor, seed: int) -> list[Future[list[Finding]]]:
    """All experiments in the order of the reference; the longest begin first."""
    begun = {name: pool.submit(findings, name, seed) for name in sorted(EXPERIMENTS, key=lambda n: n not in LONGEST)}
    return [begun[name] for name in EXPERIMENTS]


def main() -> None:
    """Run all experiments; exit 1 when one fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED, help=f"of all random numbers (default {SEED})")
    seed = parser.parse_args().seed
    print(f"seed {seed}, intervals of {100 * CONFIDENCE:g} %")
    print(cells(("experiment", "theory", "measured", "half-width")) + "  verdict")
    with ProcessPoolExecutor() as pool:
        found = report(submitted(pool, seed))
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    (build / "validate.jsonl").write_text("".join(json.dumps(asdict(finding)) + "\n" for finding in found))
    print(f"{sum(finding.ok for finding in found)} of {len(found)} hold")
    sys.exit(not all(finding.ok for finding in found))


if __name__ == "__main__":
    main()
