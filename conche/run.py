"""`conche run`: a whole site under one supervisor, and the table that tells a person where to look."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from conche import broker
from conche.child import Service, StartError, accepts, answers_http
from conche.failure import Failure
from conche.ground import Listener, check_ports, hold_state
from conche.loading import loading
from conche.site import DEMO, BrokerKind, BrokerSettings, Site, exports, load_site
from conche.supervisor import supervise

_FIRST_START_S = 300.0  # the plant lives through the past day before it listens
_START_S = 60.0


def run(
    config: Annotated[Path, typer.Argument(help="The site file: what to start, and with which settings.")] = DEMO,
) -> None:
    """Start a whole site: broker, plant and gateway with its page. Ctrl-C stops it in order.

    What the site file leaves out is not started. Every part runs as a process of its own, is started again when it
    ends, and logs into the state folder. The gateway follows its settings file; SIGHUP has it look at once.
    """
    begin = time.monotonic()
    console = _console()
    with loading():
        site = load_site(config, os.environ)
    kind = resolve(site.broker.kind) if site.broker else None
    with hold_state(site.state):
        check_ports(list(listeners(site)))
        parts = list(services(site, kind, os.environ))
        if kind is BrokerKind.AMQTT:
            console.print("amqtt serves as the broker: MQTT 3.1.1, for the demo only. Install Mosquitto for more.")
        announce = partial(_announce, console, site, kind, begin)
        try:
            clean = asyncio.run(supervise(parts, announce, say=partial(console.print, markup=False)))
        except StartError as error:
            raise Failure(str(error)) from error
    console.print("Stopped.")
    if not clean:
        raise typer.Exit(1)


def resolve(kind: BrokerKind) -> BrokerKind:
    """Which broker `auto` means on this machine. Raises Failure when the one asked for is not there."""
    installed = broker.find_mosquitto() is not None
    if kind is BrokerKind.MOSQUITTO and not installed:
        raise Failure("broker.kind is mosquitto, which is not installed: install it, or set broker.kind to auto")
    if kind is BrokerKind.AUTO:
        return BrokerKind.MOSQUITTO if installed else BrokerKind.AMQTT
    return kind


def listeners(site: Site) -> Iterator[Listener]:
    """Every address that the site is going to listen on."""
    if site.broker is not None:
        setting = f"CONCHE_MQTT_PORT, or leave the section broker out of {site.file} to use the broker that is there"
        yield Listener("MQTT", broker.HOST, site.broker.port, setting)
    if site.plant is not None:
        yield Listener("OPC UA", site.plant.server.host, site.plant.server.port, "CONCHE_OPCUA_PORT")
    if site.gateway is not None:
        yield Listener("page", site.gateway.page.host, site.gateway.page.port, "CONCHE_PAGE_PORT")


def services(site: Site, kind: BrokerKind | None, environment: Mapping[str, str]) -> Iterator[Service]:
    """The site's parts in the order of their start; together they may take 4.7 s to stop."""
    environment = {**environment, **exports(site.state, site.broker, site.plant), "PYTHONUNBUFFERED": "1"}
    if site.broker is not None and kind is not None:
        # amqtt leaves an MQTT 5 client without an answer, so the gateway is told not to try
        environment["CONCHE_MQTT_PROTOCOL"] = "3.1.1" if kind is BrokerKind.AMQTT else "auto"
        command = _broker_command(site.broker, kind, site.state)
        probe = partial(accepts, broker.HOST, site.broker.port)
        yield Service("broker", command, environment, _log(site, "broker"), probe, _START_S, stop_s=0.5)
    if site.plant is not None:
        probe = partial(accepts, reachable(site.plant.server.host), site.plant.server.port)
        command = _conche("plant", site.file)
        yield Service("plant", command, environment, _log(site, "plant"), probe, _FIRST_START_S, stop_s=2.2)
    if site.gateway is not None and site.gateway_file is not None:
        page = site.gateway.page
        probe = partial(answers_http, reachable(page.host), page.port, "/health")
        command = _conche("gateway", site.gateway_file)
        yield Service("gateway", command, environment, _log(site, "gateway"), probe, _START_S, 2.0, reloads=True)


def _broker_command(settings: BrokerSettings, kind: BrokerKind, state: Path) -> tuple[str, ...]:
    return (sys.executable, "-m", "conche.broker", kind, str(settings.port), str(state / "broker"))


def _conche(command: str, file: Path) -> tuple[str, ...]:
    return (sys.executable, "-m", "conche.main", command, str(file))


def _log(site: Site, name: str) -> Path:
    return site.state / "log" / f"{name}.log"


def reachable(host: str) -> str:
    """An address that reaches a listener of this machine: "every address" is none to connect to."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared with, not bound


def _console() -> Console:
    """Output is cut to the terminal's width only where there is a terminal."""
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=200)


def _announce(console: Console, site: Site, kind: BrokerKind | None, begin: float) -> None:
    table = Table(show_header=False, title=f"Conche is up after {time.monotonic() - begin:.1f} s", title_justify="left")
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, text in _rows(site, kind):
        table.add_row(name, text)
    console.print(table)
    console.print("Ctrl-C stops everything.")


def _rows(site: Site, kind: BrokerKind | None) -> Iterator[tuple[str, str]]:
    if site.gateway is not None:
        page = f"http://{reachable(site.gateway.page.host)}:{site.gateway.page.port}"
        yield "Page", page
        yield "Health, metrics", f"{page}/health  {page}/metrics"
    if site.plant is not None:
        server = site.plant.server
        yield "OPC UA", f"opc.tcp://{reachable(server.host)}:{server.port}"
        yield "OPC UA operator", f"user operator, password in {server.state / 'operator.password'}"
    if site.broker is not None:
        yield "MQTT", f"mqtt://{broker.HOST}:{site.broker.port} ({kind}, no password)"
        yield "See the values", f"{Path(sys.executable).with_name('conche')} watch --port {site.broker.port}"
    if site.gateway is not None:
        yield "Mails", f"{site.state / 'outbox'}"
    yield "Logs", f"{site.state / 'log'}"
