"""`make fuzz`: mutated notifications against the decoder, for a minute or as long as you like.

Every input follows from the seed and its number, and a finding names both: `make fuzz ARGS="--seed 5 --only 1234"`.
No input may crash the decoder, hang it, have it take memory out of proportion, or come out as a good value that
asyncua's decoder, where it accepts the bytes, does not see. Exit code 1 at the first that does.
"""

from __future__ import annotations

import argparse
import resource
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from random import Random
from time import monotonic
from typing import Any
from unittest.mock import patch

import orjson
from fuzz.corpus import TYPES, notification
from fuzz.library import accepted
from fuzz.mutations import mutated
from fuzz.oracle import difference

from gateway.opcua import leaps
from gateway.opcua.decode import Part, announced, decode_data
from gateway.opcua.variant import shown

CPU_S = 2.0  # for one input; a notification of this size takes a millisecond
MEMORY_KB = 64 << 10  # by which one input of at most 16 kB may raise the peak
RECEIVED = 1_800_000_000_000_000_000


class Hang(BaseException):
    """One input took too much CPU time."""


@dataclass(frozen=True)
class Finding:
    """What went wrong, and with which input."""

    seed: int
    number: int
    problem: str
    body: bytes

    def __str__(self) -> str:
        again = f'make fuzz ARGS="--seed {self.seed} --only {self.number}"'
        return f"{self.problem}\nbytes {self.body.hex()}\nagain: {again}"


@dataclass
class Tally:
    """What a run has tried."""

    inputs: int = 0
    accepted: int = 0  # by the library: these were compared
    values: int = 0


def made(seed: int, number: int) -> bytes:
    """The input of this number."""
    random = Random(f"{seed} {number}")
    return mutated(notification(random), random)


def tried(seed: int, number: int, tally: Tally) -> Finding | None:
    """What is wrong with one input, if anything is."""
    body = made(seed, number)
    before = _peak_kb()
    try:
        with _limited(), _in_leaps(number % 2):
            parts = decode_data(body, RECEIVED, TYPES)
    except (Exception, Hang) as error:  # noqa: BLE001 - whatever comes is the finding
        return Finding(seed, number, f"{type(error).__name__}: {error}", body)
    if _peak_kb() - before > MEMORY_KB:
        return Finding(seed, number, f"{len(body)} bytes took {(_peak_kb() - before) >> 10} MB", body)
    items = _second_opinion(body)
    tally.inputs += 1
    tally.accepted += items is not None
    tally.values += sum(len(part.index) for part in parts)
    problem = _incoherent(parts, body) or ("" if items is None else difference(parts, items, RECEIVED))
    return Finding(seed, number, problem, body) if problem else None


@contextmanager
def _in_leaps(wanted: int) -> Iterator[None]:
    """Have values found as in bodies of thousands, though there are few."""
    few = (0, 0) if wanted else (leaps._FEWEST, leaps._LEAP)
    with patch.multiple(leaps, _FEWEST=few[0], _LEAP=few[1]):
        yield


def _second_opinion(body: bytes) -> list[Any] | None:
    """What asyncua reads; None where it rejects the bytes or is at a loss itself."""
    try:
        with _limited():
            return accepted(body)
    except Hang:
        return None


def _incoherent(parts: tuple[Part, ...], body: bytes) -> str:
    """Columns of one length, places that rise, no value twice, nothing that JSON cannot show."""
    for part in parts:
        if len({len(getattr(part, name)) for name in Part.__slots__}) != 1:
            return "columns of different lengths"
        try:
            orjson.dumps(part.value.tolist(), default=shown)
        except TypeError as error:
            return str(error)
    places = sorted(place for part in parts for place in part.index.tolist())
    if places != list(range(len(places))) or len(places) > announced(body):
        return f"places {places} of {announced(body)} announced"
    return ""


def _peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@contextmanager
def _limited() -> Iterator[None]:
    """Raise Hang when what is inside takes too much CPU time."""

    def hang(*_: object) -> None:
        raise Hang(f"more than {CPU_S:g} s")

    before = signal.signal(signal.SIGVTALRM, hang)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def run(seed: int, seconds: float, tally: Tally) -> Finding | None:
    """Try inputs until time is up or one is found wanting."""
    for number in range(200):
        made(seed, number)  # the library builds its own tables, which count as no input's memory
        _second_opinion(made(seed, number))
    end = monotonic() + seconds
    for number in count():
        if monotonic() > end:
            return None
        finding = tried(seed, number, tally)
        if finding is not None:
            return finding
    return None


def main() -> None:
    """Run, say what was found, exit 1 if something was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 30))
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", type=int, help="the number of one input")
    options = parser.parse_args()
    tally = Tally()
    print(f"seed {options.seed}", flush=True)
    if options.only is None:
        finding = run(options.seed, options.seconds, tally)
    else:
        finding = tried(options.seed, options.only, tally)
    print(f"{tally.inputs} inputs, {tally.accepted} accepted by asyncua and compared, {tally.values} values")
    if finding is not None:
        print(finding)
    sys.exit(finding is not None)


if __name__ == "__main__":
    main()
