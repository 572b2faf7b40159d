"""A running gateway follows its settings file: good changes are taken over once, bad ones refused with all findings."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog

from conche import reload
from conche.config import ConfigError
from conche.reload import FollowingGateway, SettingsFile
from conche.serve import serve
from gateway.settings import GatewaySettings
from gateway.status import Status

ROOT = Path(__file__).parents[3]
GOOD = """
sources: [{name: plant, url: "opc.tcp://127.0.0.1:4840"}]
sinks: [{kind: historian}]
page: {title: %s}
"""
BAD = """
sources: [{name: plant, url: "http://127.0.0.1:4840"}]
sinks: [{kind: historian, colour: red}]
"""


class FakeGateway:
    """Notes the settings it is given."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self.status = Status()
        self.given: list[str] = []
        self.stopped = False

    async def start(self) -> None:
        pass

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def reload(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self.given.append(settings.page.title)

    async def stop(self) -> None:
        self.stopped = True


class House:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "gateway.yaml"
        self.path.write_text(GOOD % "one")
        self.file = SettingsFile(self.path, {})
        self.gateway = FakeGateway(self.file.load())
        self.following = FollowingGateway(self.gateway, self.file)  # type: ignore[arg-type]

    @property
    def status(self) -> tuple[int, int]:
        return self.gateway.status.settings.reloads, self.gateway.status.settings.refusals

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.following.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def until(self, *status: int) -> None:
        async with asyncio.timeout(20):
            while self.status != status:
                await asyncio.sleep(0.01)

    async def looks(self, times: int = 6) -> None:
        """Let the file be looked at some times."""
        await asyncio.sleep(times * reload.PERIOD_S)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(reload, "PERIOD_S", 0.02)
    return House(tmp_path)


async def test_a_change_is_taken_over_once(house: House) -> None:
    async with house.running():
        house.path.write_text(GOOD % "two")
        await house.until(1, 0)
        await house.looks()
        assert house.gateway.given == ["two"]


async def test_a_file_that_an_editor_replaces_is_noticed(house: House) -> None:
    async with house.running():
        fresh = house.path.with_suffix(".new")
        fresh.write_text(GOOD % "two")
        fresh.replace(house.path)
        await house.until(1, 0)


async def test_a_link_that_is_turned_as_kubernetes_does_is_noticed(tmp_path: Path, house: House) -> None:
    for version, title in (("v1", "one"), ("v2", "two")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "gateway.yaml").write_text(GOOD % title)
    (tmp_path / "..data").symlink_to("v1")
    house.path.unlink()
    house.path.symlink_to("..data/gateway.yaml")
    async with house.running():
        await house.looks()
        assert house.gateway.given == []
        (tmp_path / "..data_tmp").symlink_to("v2")
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")
        await house.until(1, 0)
        assert house.gateway.given == ["two"]


async def test_a_secret_beside_the_file_is_followed_too(tmp_path: Path, house: House) -> None:
    (tmp_path / "title").write_text("from a file\n")
    house.path.write_text(GOOD.replace("title: %s", "title_file: title"))
    async with house.running():
        await house.until(1, 0)
        (tmp_path / "title").write_text("another\n")
        await house.until(2, 0)
        assert house.gateway.given == ["from a file", "another"]


async def test_a_bad_file_is_refused_with_what_check_says_and_once_mended_taken_over(house: House) -> None:
    async with house.running():
        house.path.write_text(BAD)
        with structlog.testing.capture_logs() as logs:
            await house.until(0, 1)
            await house.looks()
        with pytest.raises(ConfigError) as checked:
            SettingsFile(house.path, {}).load()
        findings = tuple(map(str, checked.value.findings))
        assert any(f"{house.path}:2: sources.0.url: " in finding for finding in findings)
        assert house.gateway.status.settings.findings == findings
        (line,) = [line for line in logs if line["event"].startswith("settings refused")]
        assert line["findings"] == findings
        assert house.gateway.given == []
        house.path.write_text(GOOD % "two")
        await house.until(1, 1)
        assert house.gateway.status.settings.findings == ()


async def test_a_file_that_is_gone_is_refused_and_followed_when_it_is_back(house: House) -> None:
    async with house.running():
        house.path.unlink()
        await house.until(0, 1)
        assert "cannot be read" in house.gateway.status.settings.findings[0]
        house.path.write_text(GOOD % "one")
        await house.until(1, 1)


async def test_what_takes_a_restart_is_refused_with_its_line(house: House) -> None:
    async with house.running():
        house.path.write_text((GOOD % "two").replace("title", "port: 9, title"))
        await house.until(0, 1)
        (finding,) = house.gateway.status.settings.findings
        assert finding.startswith(f"{house.path}:4: page.port: ")
        assert "restart" in finding


async def test_a_file_in_the_middle_of_being_written_is_not_taken_for_a_change(house: House) -> None:
    house.path.write_text("sources: [")
    assert not house.file.has_changed(), "it is not the same twice"
    house.path.write_text(GOOD % "two")
    assert not house.file.has_changed()
    assert house.file.has_changed()


async def test_sighup_reads_the_file_at_once_and_does_not_stop_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "PERIOD_S", 3600)
    serving = asyncio.create_task(serve(house.following, house.following.ask))
    await asyncio.sleep(0)
    house.path.write_text(GOOD % "two")
    await asyncio.sleep(0.05)
    os.kill(os.getpid(), signal.SIGHUP)
    await house.until(1, 0)
    os.kill(os.getpid(), signal.SIGHUP)
    await house.until(2, 0)
    assert not serving.done()
    os.kill(os.getpid(), signal.SIGTERM)
    await serving
    assert house.gateway.stopped


WITH_TERMINAL = """
import asyncio, fcntl, os, sys, termios
from conche.stopping import until_signal
if sys.argv[1] == "terminal":
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
async def work():
    print("ready", flush=True)
    await asyncio.Event().wait()
asyncio.run(until_signal(work(), lambda: print("reload", flush=True)))
print("stopped", flush=True)
"""


@pytest.mark.parametrize("terminal", ["terminal", "none"])
def test_sighup_means_reload_unless_the_terminal_is_gone(terminal: str) -> None:
    master, slave = os.openpty()
    command = [sys.executable, "-c", WITH_TERMINAL, terminal]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command,
        stdin=slave,
        stdout=subprocess.PIPE,
        start_new_session=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGHUP)
        assert process.stdout.readline() == b"reload\n"
        os.close(slave)
        os.close(master)
        if terminal == "none":
            process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == b"stopped\n"
