"""Where replications run: in processes of this machine, or on a Dask cluster; both are concurrent.futures.Executors."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager

from conche.failure import MISUSED, Failure

CONNECT_S = 10.0
"""How long a cluster may take to answer."""


@contextmanager
def executor(workers: int | None, cluster: str) -> Iterator[Executor]:
    """An executor for the time of a block. Raises Failure when the cluster, or what it needs, is not there."""
    if cluster:
        with dask(cluster) as far:
            yield far
    else:
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as near:
            yield near


@contextmanager
def dask(address: str) -> Iterator[Executor]:
    """The executor of a Dask cluster, whose workers must have this version of Conche."""
    try:
        from distributed import Client  # noqa: PLC0415 - the extra `cluster`
    except ImportError as error:
        text = "--cluster needs the extra `cluster`: install conche[cluster] here and on the workers"
        raise Failure(text, MISUSED) from error
    try:
        client = Client(address, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise Failure(f"no Dask scheduler answers on {address} ({error}): is it running? See --cluster") from error
    with client:
        yield client.get_executor()
