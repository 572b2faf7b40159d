"""The parts of a site start together, are started again when they end, and stop in order; nothing is left running."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest
from support_demo import free_ports

from conche import child
from conche.child import Service, StartError, accepts, answers_http, describe, keep_log_short, next_pause, tail
from conche.supervisor import supervise

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "tests" / "support_service.py"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


class Site:
    """Two small services and what happened to them."""

    def __init__(self, folder: Path) -> None:
        self.notes = folder / "notes"
        self.folder = folder
        self.said: list[str] = []
        self.announced = asyncio.Event()

    def service(self, name: str, mood: str = "good", stop_s: float = 2.0, start_s: float = 10.0) -> Service:
        (port,) = free_ports(1)
        command = (sys.executable, str(SCRIPT), name, str(port), str(self.notes), mood)
        log = self.folder / f"{name}.log"
        return Service(name, command, ENVIRONMENT, log, partial(accepts, "127.0.0.1", port), start_s, stop_s)

    async def supervise(self, *services: Service) -> bool:
        return await supervise(services, self.announced.set, self.said.append)

    def noted(self) -> list[tuple[str, str]]:
        return [(line.split()[0], line.split()[1]) for line in self.lines()]

    def pids(self, name: str) -> list[int]:
        return [int(line.split()[2]) for line in self.lines() if line.startswith(f"{name} started")]

    def lines(self) -> list[str]:
        return self.notes.read_text().splitlines() if self.notes.exists() else []

    def living(self) -> list[int]:
        pids = {int(line.split()[2]) for line in self.lines()}
        return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


async def eventually(true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.02)


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


async def test_all_start_and_ctrl_c_stops_them_one_after_the_other(site):
    running = asyncio.create_task(site.supervise(site.service("broker"), site.service("plant")))
    await site.announced.wait()
    assert {name for name, what in site.noted() if what == "started"} == {"broker", "plant"}
    ctrl_c()
    assert await running is True
    assert site.noted()[2:] == [
        ("plant", "interrupted"),
        ("plant", "stopped"),
        ("broker", "interrupted"),
        ("broker", "stopped"),
    ]
    assert site.living() == []


async def test_ctrl_c_of_the_terminal_reaches_the_supervisor_alone(site):
    """Each part lives in a session of its own, so the terminal cannot interrupt it out of order."""
    running = asyncio.create_task(site.supervise(site.service("plant")))
    await site.announced.wait()
    (pid,) = site.pids("plant")
    assert os.getsid(pid) == pid
    ctrl_c()
    await running


async def test_sighup_reaches_those_that_read_their_settings_again(site):
    gateway = replace(site.service("gateway"), reloads=True)
    running = asyncio.create_task(site.supervise(site.service("plant"), gateway))
    await site.announced.wait()
    os.kill(os.getpid(), signal.SIGHUP)
    await eventually(lambda: ("gateway", "asked") in site.noted())
    assert ("plant", "asked") not in site.noted()
    ctrl_c()
    assert await running is True


async def test_a_part_that_dies_is_started_again_and_that_is_said(site):
    running = asyncio.create_task(site.supervise(site.service("gateway"), site.service("plant")))
    await site.announced.wait()
    (first,) = site.pids("gateway")
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: len(site.pids("gateway")) == 2)
    assert any("gateway was ended by SIGKILL: starting it again" in line for line in site.said)
    assert len(site.pids("plant")) == 1
    ctrl_c()
    assert await running is True
    assert site.living() == []


async def test_a_part_that_cannot_start_ends_all_and_shows_its_log(site):
    (site.folder / "plant.log").write_text("words of an earlier life\n")
    with pytest.raises(StartError, match=r"plant ended with exit code 1 while starting:\nno such recipe"):
        await site.supervise(site.service("broker"), site.service("plant", "broken"))
    assert not site.announced.is_set()
    assert site.living() == []


async def test_a_part_that_never_answers_is_given_up(site, monkeypatch):
    monkeypatch.setattr("conche.supervisor._STILL_STARTING_S", 0.1)
    with pytest.raises(StartError, match=r"plant is not ready after 0\.3 s"):
        await site.supervise(site.service("plant", "mute", start_s=0.3))
    assert site.said[0].startswith("plant is still starting")
    assert site.living() == []


async def test_ctrl_c_during_the_first_start_is_no_failure(site):
    """The plant lives through a day before it hears anything; there is nothing yet that a kill could lose."""
    running = asyncio.create_task(site.supervise(site.service("plant", "deaf-mute", stop_s=0.3)))
    await eventually(lambda: site.pids("plant"))
    ctrl_c()
    assert await running is True
    assert site.said == []
    assert site.living() == []


async def test_a_part_that_will_not_stop_is_killed_and_a_second_ctrl_c_changes_nothing(site):
    running = asyncio.create_task(site.supervise(site.service("broker"), site.service("plant", "stubborn", stop_s=0.5)))
    await site.announced.wait()
    ctrl_c()
    await asyncio.sleep(0.1)
    ctrl_c()
    assert await running is False
    assert site.said == ["plant did not stop in 0.5 s and was killed"]
    assert ("broker", "stopped") in site.noted()
    assert site.living() == []


@pytest.mark.parametrize("mood", ["good", "stubborn"])
def test_nothing_is_left_when_the_supervisor_itself_is_killed(site, mood):
    program = (
        "import asyncio, sys\n"
        "from conche.child import Service, accepts\n"
        "from conche.supervisor import supervise\n"
        "from functools import partial\n"
        "from pathlib import Path\n"
        "import os\n"
        "python, script, name, port, notes, mood = sys.argv[1:]\n"
        "service = Service(name, (python, script, name, port, notes, mood), os.environ,\n"
        "                  Path(notes + '.log'), partial(accepts, '127.0.0.1', int(port)), 10, 2)\n"
        "asyncio.run(supervise([service], lambda: print('up', flush=True), print))\n"
    )
    (port,) = free_ports(1)
    arguments = [sys.executable, str(SCRIPT), "plant", str(port), str(site.notes), mood]
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments], env=ENVIRONMENT, stdout=subprocess.PIPE
    ) as supervisor:
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline() == b"up\n"
        assert len(site.living()) == 1
        supervisor.kill()
    deadline = time.monotonic() + 8
    while site.living():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_pause_before_a_start_doubles_and_is_short_again_after_a_long_life():
    pauses = [0.0]
    for _ in range(8):
        pauses.append(next_pause(pauses[-1], lived_s=1))
    assert pauses[1:] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert next_pause(30, lived_s=61) == 0.5


def test_of_a_long_log_the_last_lines_are_told_and_none_of_an_earlier_life(tmp_path):
    log = tmp_path / "plant.log"
    log.write_text("".join(f"line {number}\n" for number in range(5000)))
    assert tail(log, 0).splitlines() == [f"line {number}" for number in range(4988, 5000)]
    begin = log.stat().st_size
    with log.open("a") as file:
        file.write("no such file\n")
    assert tail(log, begin) == "no such file"
    log.write_text("x" * 100_000)
    assert tail(log, 0) == "x" * 4000


def test_a_log_that_grew_too_long_moves_aside_and_its_writer_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(child, "_LOG_LIMIT_BYTES", 10)
    log = tmp_path / "plant.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"old lines beyond the limit\n")
        keep_log_short(log)
        writer.write(b"new\n")
        keep_log_short(log)
    assert log.read_bytes() == b"new\n"
    assert (tmp_path / "plant.1.log").read_bytes() == b"old lines beyond the limit\n"


async def test_a_probe_tells_a_web_server_from_silence():
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
        writer.close()

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    for handler, expected in ((answer, True), (hang_up, False)):
        async with await asyncio.start_server(handler, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            assert await answers_http("127.0.0.1", port, "/health") is expected
    assert await answers_http("127.0.0.1", port, "/health") is False
    assert await accepts("127.0.0.1", port) is False


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1, "ended with exit code 1"),
        (-9, "was ended by SIGKILL"),
        (137, "was ended by SIGKILL"),
        (255, "ended with exit code 255"),
    ],
)
def test_the_end_of_a_part_is_told_in_words_also_when_its_own_child_was_ended(code, words):
    assert describe(code) == words
