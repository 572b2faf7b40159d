"""Replications of a study on a real Dask cluster: the same figures to the last bit as in processes of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from socket import socket

import pytest
import yaml
from distributed import LocalCluster
from support_plant import FILE

from conche.executors import executor, installed
from conche.failure import Failure
from conche.scenario import load_study
from plant_model.replications import run_study
from plant_model.scenario import Study


@pytest.fixture
def study(tmp_path: Path) -> Study:
    file = tmp_path / "conches.yaml"
    four = {"set": {"stations.Conching.machines": 4}}
    facts = {"title": "Conches", "warm_up_d": 0.25, "length_d": 0.5, "replications": 2, "scenarios": {"Four": four}}
    file.write_text(yaml.safe_dump({"plant": str(FILE)} | facts))
    return load_study(file, {})


@contextmanager
def cluster(workers: int) -> Iterator[str]:
    """The address of a scheduler with so many workers, a process each."""
    at = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, **at) as local:
        yield local.scheduler_address


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    with cluster(workers=2) as address:
        yield address


def test_a_cluster_and_this_machine_give_the_same_figures_to_the_last_bit(study: Study, scheduler: str) -> None:
    with executor(None, scheduler) as cluster:
        far = run_study(study, cluster, lambda: None)
    with executor(2, "") as processes:
        near = run_study(study, processes, lambda: None)
    assert far == near
    assert far[0] != far[1]


def test_a_cluster_that_is_away_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conche.executors.CONNECT_S", 0.2)
    with closing(socket()) as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(Failure, match=f"no Dask scheduler answers on {address}"), executor(None, address):
            raise AssertionError


def test_workers_that_die_again_and_again_are_one_clear_line() -> None:
    with (
        cluster(workers=1) as address,
        pytest.raises(Failure, match="died again and again"),
        executor(None, address) as far,
    ):
        far.submit(os._exit, 1).result()


def test_a_cluster_without_workers_is_one_clear_line() -> None:
    with (
        cluster(workers=0) as address,
        pytest.raises(Failure, match=f"start some with `dask worker {address}`"),
        executor(None, address),
    ):
        raise AssertionError


def test_a_worker_with_another_version_is_told_by_name(scheduler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert installed().keys() == {"conche", "numpy", "simpy"}
    monkeypatch.setattr("conche.executors.metadata.version", lambda _: "9.9")
    told = r"the worker tcp://127\.0\.0\.1:.* has conche .*, this machine 9\.9"
    with pytest.raises(Failure, match=told), executor(None, scheduler):
        raise AssertionError
