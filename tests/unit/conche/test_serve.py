"""`conche plant` and `conche gateway` start a part, stop it in good order, and say in one line what fails."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest
import yaml

from conche.config import load
from conche.failure import Failure
from conche.serve import gateway, plant, serve

ROOT = Path(__file__).parents[3]


class Part:
    """Notes what is asked of it; can fail or be slow."""

    def __init__(self, fails_in: str = "", slow_in: str = "") -> None:
        self.done: list[str] = []
        self.began = asyncio.Event()
        self._fails_in, self._slow_in = fails_in, slow_in

    async def _do(self, what: str) -> None:
        self.done.append(what)
        if what == self._slow_in:
            self.began.set()
            await asyncio.Event().wait()
        if what == self._fails_in:
            raise OSError(f"cannot {what}")

    async def start(self) -> None:
        await self._do("start")

    async def run(self) -> None:
        await self._do("run")

    async def stop(self) -> None:
        await self._do("stop")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_it_in_good_order(number):
    part = Part(slow_in="run")
    serving = asyncio.create_task(serve(part))
    await part.began.wait()
    os.kill(os.getpid(), number)
    await serving
    assert part.done == ["start", "run", "stop"]


async def test_a_signal_during_a_long_start_stops_it_too():
    part = Part(slow_in="start")
    serving = asyncio.create_task(serve(part))
    await part.began.wait()
    os.kill(os.getpid(), signal.SIGINT)
    await serving
    assert part.done == ["start", "stop"]


@pytest.mark.parametrize("where", ["start", "run"])
async def test_what_fails_is_stopped_and_the_error_is_passed_on(where):
    part = Part(fails_in=where)
    with pytest.raises(OSError, match=f"cannot {where}"):
        await serve(part)
    assert part.done[-1] == "stop"


@pytest.fixture
def taken(monkeypatch, tmp_path):
    """A port that somebody else listens on."""
    monkeypatch.setenv("CONCHE_STATE", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def assert_one_clear_line(failure: Failure, port: int) -> None:
    (line,) = str(failure).splitlines()
    assert str(port) in line
    assert "in use" in line


def test_a_plant_whose_port_is_in_use_says_so(taken, monkeypatch):
    monkeypatch.setenv("CONCHE_OPCUA_PORT", str(taken))
    with pytest.raises(Failure) as failure:
        plant(ROOT / "config/demo.yaml")
    assert_one_clear_line(failure.value, taken)


def test_a_gateway_whose_port_is_in_use_says_so(taken, tmp_path):
    data = load(ROOT / "config/gateway/demo.yaml", os.environ).data
    file = tmp_path / "gateway.yaml"
    file.write_text(yaml.safe_dump(data | {"page": {"port": taken}}))
    with pytest.raises(Failure) as failure:
        gateway(file)
    assert_one_clear_line(failure.value, taken)
