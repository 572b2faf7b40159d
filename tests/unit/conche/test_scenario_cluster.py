"""Replications of a study on a real Dask cluster: the same figures to the last bit as in processes of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from socket import socket

import pytest
import yaml
from distributed import LocalCluster
from support_plant import FILE

from conche.executors import executor
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


@pytest.fixture
def scheduler() -> Iterator[str]:
    """The address of a scheduler with two workers, a process each."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


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
