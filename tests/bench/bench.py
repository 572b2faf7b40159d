"""`make bench`: what the gateway costs a value, end to end and by stage, and what the plant costs. CPU times.

Prints a table and writes build/bench.jsonl, one {name, value, unit} a line. `make bench ARGS=plant` runs one of them
alone, `make bench ARGS="gateway --case mixed"` the cases of the gateway whose names have that text. `outage` takes
eight minutes and is run where it is named only.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]  # a script has only its own folder on the path

import load  # noqa: E402
import outage  # noqa: E402
import plant  # noqa: E402
import stages  # noqa: E402
from report import Figure, table, write  # noqa: E402

USUAL = ("gateway", "stages", "plant")


def main() -> None:
    """Run the benches that are named, else all; exit 1 when a value is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    benches = (*USUAL, "outage")
    parser.add_argument("benches", nargs="*", metavar="bench", help=f"{', '.join(benches)}; all but outage if none is")
    parser.add_argument("--case", default="", help="only cases of the gateway whose names have this text")
    options = parser.parse_args()
    named = options.benches or USUAL
    if unknown := set(named) - set(benches):
        parser.error(f"there is no bench {', '.join(sorted(unknown))}; there are {', '.join(benches)}")
    ways = {
        "gateway": partial(load.figures, options.case),
        "stages": stages.figures,
        "plant": plant.figures,
        "outage": outage.figures,
    }
    figures: list[Figure] = []
    for name in named:
        for figure in ways[name]():
            figures.append(figure)
            print(table([figure]), flush=True)
    write(figures)
    sys.exit(any(figure.value for figure in figures if figure.name.endswith(": missing")))


if __name__ == "__main__":
    main()
