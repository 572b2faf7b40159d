"""`conche browse` lists what a server offers, as a gateway with these patterns would take it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from asyncua import Server, ua
from support_demo import free_ports
from typer.testing import CliRunner

from conche.browse import aligned
from conche.commands import app
from conche.failure import Failure


async def serve(url: str, ready: threading.Event, ended: threading.Event) -> None:
    server = Server()
    await server.init()
    server.set_endpoint(url)
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace("urn:test:plc")
    machine = await server.nodes.objects.add_object(ua.NodeId("PLC", index), ua.QualifiedName("PLC", index))
    level = await machine.add_variable(ua.NodeId("Level", index), ua.QualifiedName("Level", index), 1.5)
    unit = ua.EUInformation(DisplayName=ua.LocalizedText("kg"))
    await level.add_property(ua.NodeId("Unit", index), ua.QualifiedName("EngineeringUnits"), unit)
    count = await machine.add_variable(
        ua.NodeId("Count", index), ua.QualifiedName("Count", index), ua.Variant(3, ua.VariantType.UInt16)
    )
    await count.set_writable()
    async with server:
        ready.set()
        await asyncio.to_thread(ended.wait)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    (port,) = free_ports(1)
    url = f"opc.tcp://127.0.0.1:{port}"
    ready, ended = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(serve(url, ready, ended)))
    thread.start()
    assert ready.wait(20)
    yield url
    ended.set()
    thread.join(20)


def listed(*arguments: str) -> list[list[str]]:
    shown = CliRunner().invoke(app, ["browse", "--policy", "None", *arguments])
    assert shown.exit_code == 0, shown.exception
    return [line.split() for line in shown.stdout.splitlines()]


def test_every_variable_is_listed_with_node_type_unit_and_access(url, tmp_path):
    assert listed(url, "PLC/*", "--pki", str(tmp_path)) == [
        ["PATH", "NODE", "TYPE", "UNIT", "ACCESS"],
        ["PLC/Count", "nsu=urn:test:plc;s=Count", "UInt16", "rw"],
        ["PLC/Level", "nsu=urn:test:plc;s=Level", "Double", "kg", "r"],
    ]


def test_a_server_is_asked_on_which_terms_it_would_monitor(url, tmp_path):
    heads, count, level = listed(url, "PLC/*", "--monitor", "--pki", str(tmp_path))
    assert heads == ["PATH", "NODE", "TYPE", "UNIT", "ACCESS", "SENT", "SAMPLED", "QUEUE", "REFUSED"]
    assert count[-3:] == level[-3:] == ["250", "250", "1000"], "asyncua samples as it publishes"


def test_patterns_choose_as_in_the_gateways_settings(url, tmp_path):
    assert [row[0] for row in listed(url, "PLC/**", "--exclude", "**/Count", "--pki", str(tmp_path))] == [
        "PATH",
        "PLC/Level",
    ]


def test_no_server_is_one_clear_line(tmp_path):
    (port,) = free_ports(1)
    shown = CliRunner().invoke(app, ["browse", f"opc.tcp://127.0.0.1:{port}", "--pki", str(tmp_path)])
    assert isinstance(shown.exception, Failure)
    assert shown.exception.code == 1
    assert f"127.0.0.1:{port}" in str(shown.exception)


@pytest.mark.parametrize(
    ("arguments", "words"), [(["http://x"], "url: "), (["opc.tcp://x:1", "--policy", "Rot13"], "security.policy: ")]
)
def test_wrong_arguments_are_one_line_and_exit_code_2(arguments, words):
    shown = CliRunner().invoke(app, ["browse", *arguments])
    assert isinstance(shown.exception, Failure)
    assert shown.exception.code == 2
    assert words in str(shown.exception)
    assert "Value error" not in str(shown.exception)


def test_without_an_address_the_demo_is_asked_wherever_it_listens(url, tmp_path, monkeypatch):
    monkeypatch.setenv("CONCHE_OPCUA_PORT", url.rsplit(":", 1)[1])
    shown = CliRunner().invoke(app, ["browse", "--pki", str(tmp_path)])
    assert shown.stdout.splitlines()[1].split()[0] == "PLC/Count", "it is on this machine: asked without security"


def test_a_server_without_security_is_asked_only_when_that_is_said(url, tmp_path):
    shown = CliRunner().invoke(app, ["browse", url, "--pki", str(tmp_path)])
    assert "it offers None: set policy" in str(shown.exception)


def test_columns_stand_below_each_other():
    assert list(aligned([("A", "LONG"), ("longer", "b")])) == ["A       LONG", "longer  b"]


def test_the_help_shows_patterns_with_their_asterisks():
    shown = CliRunner().invoke(app, ["browse", "--help"], env={"COLUMNS": "120"}).stdout
    assert "Machines/**, **/Energy/*" in shown
