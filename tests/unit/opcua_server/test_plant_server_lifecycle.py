"""Starting, stopping, and what may stand in the way."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from pathlib import Path
from threading import Event

import pytest
import structlog
from asyncua import Client, ua
from asyncua.server.standard_address_space import standard_address_space
from support_plant_server import Serve, node

from opcua_server.clock import SECOND, TICK, Clock
from opcua_server.errors import ServerError
from opcua_server.files import bound_socket, writable_folder, write_whole
from opcua_server.history.events import Window
from opcua_server.history.historian import Historian
from opcua_server.history.store import FIRST, LAST, Store
from opcua_server.sampler import Sampler
from opcua_server.server import PlantServer
from opcua_server.services.stack import check_version
from opcua_server.settings import Problem, ServerSettings, SettingsError, parse
from opcua_server.snapshot import SnapshotRefusedError, decode, encode
from opcua_server.twin import SLICE_S, next_slice
from opcua_server.units import unit, unit_id
from plant_model.plant import Plant
from plant_model.spec import PlantSpec


async def test_a_port_in_use_is_one_line_with_the_setting_to_change(spec: PlantSpec, settings: ServerSettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = PlantServer(spec, settings.model_copy(update={"port": port}))
        with pytest.raises(ServerError) as caught:
            await server.start()
    assert str(port) in str(caught.value)
    assert "CONCHE_OPCUA_PORT" in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_state_folder_that_cannot_be_written_is_one_line(spec: PlantSpec, settings: ServerSettings) -> None:
    (settings.state / "file").write_text("a file in the way")
    with pytest.raises(ServerError, match=r"cannot write in .*CONCHE_STATE"):
        await PlantServer(spec, settings.model_copy(update={"state": settings.state / "file"})).start()


def test_a_host_of_another_machine_is_refused() -> None:
    with pytest.raises(ServerError, match="set another host"):
        bound_socket("203.0.113.7", 0)


async def test_a_stopped_server_leaves_the_port_and_may_start_again(spec: PlantSpec, settings: ServerSettings) -> None:
    for _ in range(2):
        server = PlantServer(spec, settings)
        await server.start()
        port = int(server.endpoint.rsplit(":", 1)[1])
        began = time.monotonic()
        await server.stop()
        await server.stop()
        assert time.monotonic() - began < 2
        with socket.create_server(("127.0.0.1", port)):
            pass


async def test_stopping_with_a_client_connected_is_quick(spec: PlantSpec, settings: ServerSettings) -> None:
    server = PlantServer(spec, settings)
    await server.start()
    client = Client(server.endpoint)
    await client.connect()
    began = time.monotonic()
    await server.stop()
    assert time.monotonic() - began < 2
    client.disconnect_socket()


def test_who_stops_while_the_address_space_is_built_need_not_wait_for_it(
    spec: PlantSpec, settings: ServerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, built = Event(), Event(), Event()

    def build(_: object) -> None:
        begun.set()
        go_on.wait(30)
        built.set()

    async def stop_early() -> None:
        starting = asyncio.create_task(PlantServer(spec, settings).start())
        while not begun.is_set():
            await asyncio.sleep(0.01)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting

    monkeypatch.setattr(standard_address_space, "fill_address_space", build)
    asyncio.run(stop_early())
    assert not built.is_set()
    go_on.set()
    assert built.wait(30)


async def test_stopped_while_it_lives_through_its_first_day_the_plant_goes_on_from_there(
    spec: PlantSpec, settings: ServerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings.model_copy(update={"past_s": 3600.0})
    first_event, tell = asyncio.Event(), Historian.tell
    monkeypatch.setattr(Historian, "tell", lambda *what: (tell(*what), first_event.set()))
    starting = asyncio.create_task(PlantServer(spec, settings).start())
    await first_event.wait()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    wall, plant = saved(spec, settings)
    assert time.time_ns() - wall > 60 * SECOND
    assert told(settings) == lived(spec, plant.now)

    server = PlantServer(spec, settings)
    await server.start()
    await server.stop()
    _, plant = saved(spec, settings)
    assert plant.now >= settings.past_s * settings.speed
    assert told(settings) == lived(spec, plant.now)


def saved(spec: PlantSpec, settings: ServerSettings) -> tuple[int, Plant]:
    wall, plant = decode((settings.state / "snapshot").read_bytes())
    return wall, Plant.restore(spec, plant)


def told(settings: ServerSettings) -> list[tuple[str, str]]:
    """Kind and message of all events in the history."""
    store = Store(settings.state / "history.sqlite")
    events = store.events.read(Window(FIRST, LAST, newest_first=False, time=FIRST, place=0), (), 10_000)
    store.close()
    return sorted((event.kind, event.message) for event in events)


def lived(spec: PlantSpec, until: float) -> list[tuple[str, str]]:
    """The same of a plant that lives in one go."""
    return sorted((event.kind, event.message) for event in Plant(spec, ServerSettings().seed).advance(until))


async def test_a_snapshot_that_cannot_be_used_is_kept_and_the_plant_starts_anew(
    serve: Serve, settings: ServerSettings
) -> None:
    async with serve():
        pass
    snapshot = settings.state / "snapshot"
    whole = snapshot.read_bytes()
    damaged = whole[:-1] + bytes([whole[-1] ^ 1])
    snapshot.write_bytes(damaged)
    with structlog.testing.capture_logs() as logs:
        async with serve() as served, served.anonymous() as client:
            assert await (await node(client, "Simulation.Running")).read_value()
    (aside,) = settings.state.glob("snapshot.refused-*")
    assert aside.read_bytes() == damaged
    (refusal,) = [log for log in logs if "refused" in log["event"]]
    assert (refusal["reason"], refusal["file"]) == ("it is damaged", str(aside))


def test_a_snapshot_is_refused_with_the_reason() -> None:
    data = encode(42, b"plant")
    other_version = data[:22] + struct.pack("<H", 99) + data[24:]
    for refused, reason in ((b"nonsense", "not the snapshot"), (data[:-1], "damaged"), (other_version, "version 99")):
        with pytest.raises(SnapshotRefusedError, match=reason):
            decode(refused)


async def test_where_the_password_is_is_said_and_the_password_is_not(spec: PlantSpec, settings: ServerSettings) -> None:
    server = PlantServer(spec, settings.model_copy(update={"operator_password": None, "past_s": 1}))
    with structlog.testing.capture_logs() as logs:
        await server.start()
        await server.stop()
    password = server.operator_password_path.read_text().strip()
    said = json.dumps(logs)
    assert str(server.operator_password_path) in said
    assert password not in said


async def test_beyond_loopback_there_is_no_plain_endpoint(serve: Serve) -> None:
    async with serve(host="0.0.0.0") as served:
        served.url = served.url.replace("0.0.0.0", "127.0.0.1")
        async with served.user() as client:
            endpoints = await client.get_endpoints()
            assert {e.SecurityMode.name for e in endpoints} == {"SignAndEncrypt"}
        with pytest.raises(ua.UaStatusCodeError):
            async with served.anonymous():
                pass


async def test_the_event_loop_is_not_held_up(serve: Serve) -> None:
    async with serve():
        waits = []
        for _ in range(200):
            began = time.perf_counter()
            await asyncio.sleep(0)
            waits.append(time.perf_counter() - began)
            await asyncio.sleep(0.005)
    assert sorted(waits)[-4] < 0.05  # a slow machine may hold it up now and then


def test_a_newer_asyncua_is_refused() -> None:
    check_version("2.1.7")
    with pytest.raises(ServerError, match=r"asyncua 2\.2\.0 is installed"):
        check_version("2.2.0")


def test_settings_tell_every_problem_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        parse({"port": 70000, "speed": -1, "prot": 4840})
    assert {problem.path for problem in caught.value.problems} == {("port",), ("speed",), ("prot",)}
    assert all(isinstance(problem, Problem) and problem.message for problem in caught.value.problems)
    assert parse(None) == ServerSettings()


def test_loopback_is_known_by_its_address() -> None:
    hosts = ("127.0.0.1", "::1", "localhost", "0.0.0.0", "plant")
    assert [host for host in hosts if ServerSettings(host=host).is_loopback] == ["127.0.0.1", "::1", "localhost"]


def test_a_secret_is_not_shown() -> None:
    assert "hunter2hunter2" not in repr(parse({"operator_password": "hunter2hunter2"}))


def test_a_snapshot_tells_plant_and_time_or_why_it_cannot() -> None:
    data = encode(42, b"plant")
    assert decode(data) == (42, b"plant")
    for end in range(len(data)):
        with pytest.raises(SnapshotRefusedError):
            decode(data[:end])


def test_files_are_replaced_at_once(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "file"
    write_whole(path, b"one", mode=0o600)
    write_whole(path, b"two", mode=0o600)
    assert path.read_bytes() == b"two"
    assert [p.name for p in path.parent.iterdir()] == ["file"]
    writable_folder(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_the_clock_never_goes_back() -> None:
    times = iter([100, 90, 95, 200])
    clock = Clock(not_before=50, read=lambda: next(times))
    assert [clock.now() for _ in range(4)] == [100, 100, 105, 210]
    assert Clock(not_before=10**19, read=lambda: 5).now() == 10**19


def test_signals_are_due_at_the_end_of_their_periods() -> None:
    sampler = Sampler([0.1, 1.0, 0.5])
    due = [sampler.due(wall, wall + TICK) for wall in range(0, SECOND, TICK)]
    assert [sum(place in places for places in due) for place in range(3)] == [10, 1, 2]
    assert sampler.due(0, 10 * SECOND) == [0, 1, 2]
    assert sampler.all() == [0, 1, 2]


def test_only_changes_of_value_or_quality_are_news() -> None:
    sampler = Sampler([1.0, 1.0])
    assert sampler.changed([0, 1], [1, 2], ["good", "good"]) == [0, 1]
    assert sampler.changed([0, 1], [1, 3], ["good", "good"]) == [1]
    assert sampler.changed([0, 1], [1, 3], ["bad", "good"]) == [0]
    assert sampler.changed([1], [9, 3], ["good", "good"]) == []


def test_slices_become_as_long_as_they_may_take() -> None:
    assert next_slice(60.0, SLICE_S * 2) == 30.0
    assert next_slice(60.0, 0.0) == 120.0
    assert next_slice(60.0, SLICE_S / 2) == 60.0
    assert next_slice(1.0, 1.0) == 1.0


def test_unit_ids_are_those_of_the_specification() -> None:
    published = {
        "CEL": 4408652,
        "KGM": 4933453,
        "E93": 4536627,
        "P1": 20529,
        "4H": 13384,
        "H87": 4732983,
        "C62": 4404786,
    }
    assert {code: unit_id(code) for code in published} == published


def test_units_have_symbols() -> None:
    assert unit("CEL").DisplayName.Text == "°C"
    assert (unit("EUR").DisplayName.Text, unit("EUR").NamespaceUri) == ("€", "urn:iso:std:iso:4217")
    assert unit("XYZ").DisplayName.Text == "XYZ"
