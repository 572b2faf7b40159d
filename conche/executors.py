"""Where replications run: in processes of this machine, or on a Dask cluster; both are concurrent.futures.Executors."""

from __future__ import annotations

import logging
import multiprocessing
import signal
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib import metadata
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import TYPE_CHECKING

from conche.failure import MISUSED, Failure
from conche.lifeline import die_with_parent

if TYPE_CHECKING:
    from distributed import Client

CONNECT_S = 10.0
"""How long a cluster may take to answer."""
DECISIVE = ("conche", "numpy", "simpy")
"""What must be the same everywhere, or figures would differ."""


@contextmanager
def executor(workers: int | None, cluster: str) -> Iterator[Executor]:
    """An executor for the time of a block. Raises Failure when the cluster, or what it needs, is not there."""
    if cluster:
        with dask(cluster) as far:
            yield far
    else:
        with processes(workers) as near:
            yield near


@contextmanager
def processes(workers: int | None) -> Iterator[Executor]:
    """Processes of this machine, one per core if no number is given. A block that fails ends them at once."""
    before = set(multiprocessing.active_children())
    with ProcessPoolExecutor(workers, _Context(), die_with_parent) as pool:
        try:
            yield pool
        except BrokenProcessPool as error:
            raise Failure("a worker process died: is there enough memory? Try fewer --workers") from error
        except BaseException:
            for child in set(multiprocessing.active_children()) - before:
                child.terminate()
            raise


class _Process(SpawnProcess):
    """A new process to which Ctrl-C means nothing from its first instruction on: its parent ends it."""

    def start(self) -> None:
        resource_tracker.ensure_running()  # which would unblock the signal
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Context(SpawnContext):
    Process = _Process


@contextmanager
def dask(address: str) -> Iterator[Executor]:
    """The executor of a Dask cluster, whose workers must have this version of Conche.

    Raises Failure when nobody answers, when nobody works there, or when a worker could not do the same.
    """
    try:
        from distributed import Client, KilledWorker  # noqa: PLC0415 - the extra `cluster`
    except ImportError as error:
        text = "--cluster needs the extra `cluster`: install conche[cluster] here and on the workers"
        raise Failure(text, MISUSED) from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what goes wrong is said here, in a line
    try:
        client = Client(address, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise Failure(f"no Dask scheduler answers on {address} ({error}): is it running? See --cluster") from error
    with client:
        if objection := _objection(client, address):
            raise Failure(objection)
        try:
            yield client.get_executor()
        except CancelledError as error:
            raise Failure(f"the Dask scheduler on {address} went away: nothing is left of the run") from error
        except KilledWorker as error:
            raise Failure(f"workers of {address} died again and again: have they enough memory?") from error


def installed() -> dict[str, str]:
    """What the result of a replication depends on, with its version."""
    return {name: metadata.version(name) for name in DECISIVE}


def _objection(client: Client, address: str) -> str:
    """Why the workers of a cluster cannot do the same as this machine; "" when they can."""
    try:
        workers: dict[str, dict[str, str]] = client.run(installed)
    except ImportError as error:
        return f"the workers of {address} lack what is needed ({error}): install conche there too"
    if not workers:
        return f"the Dask scheduler on {address} has no workers: start some with `dask worker {address}`"
    here = installed()
    for worker, there in workers.items():
        for name, version in here.items():
            if there[name] != version:
                return f"the worker {worker} has {name} {there[name]}, this machine {version}: install the same"
    return ""
