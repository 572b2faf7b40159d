"""A gateway's inside made up: seven stations, three conches, eight stores. Run it to look at the page."""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import time_ns

import numpy as np
from numpy.typing import NDArray

from gateway.naming import Naming, NamingSettings
from gateway.page.server import WebServer, listen
from gateway.page.settings import PageSettings
from gateway.page.view import View
from gateway.sinks.latest import Latest
from gateway.status import Link, Mail, SinkStatus, SourceStatus, Status
from gateway.values import Batch, Column, DataType, Tag

STATES = (
    *("", "Clearing", "Stopped", "Starting", "Idle", "Suspended", "Execute", "Stopping", "Aborting", "Aborted"),
    *("Holding", "Held", "Unholding", "Suspending", "Unsuspending", "Resetting", "Completing", "Complete"),
)
STATIONS = {
    "Cleaning": ("Execute", 520.0, 71.2, "FeedRate"),
    "Roasting": ("Execute", 505.0, 68.9, "BeanTemperature"),
    "Grinding": ("Suspended", 0.0, 64.0, "LiquorTemperature"),
    "Mixing": ("Execute", 1210.0, 70.4, "MassTemperature"),
    "Conching": ("", 421.0, 81.3, "Moisture"),
    "Tempering": ("Held", 0.0, 58.7, "Zone2Temperature"),
    "Moulding": ("Aborted", 0.0, 61.5, "TunnelTemperature"),
}
CONCHES = {"Conche1": ("Execute", "Milk"), "Conche2": ("Execute", "Dark"), "Conche3": ("Idle", "")}
STOCKS = {
    "Beans": (41_300.0, 30_000.0, 0.0, 60_000.0),
    "Sugar": (18_750.0, 22_000.0, 24_000.0, 60_000.0),
    "CocoaButter": (29_010.0, 24_000.0, 0.0, 50_000.0),
    "MilkPowder": (9_400.0, 12_000.0, 0.0, 30_000.0),
    "Lecithin": (812.0, 500.0, 0.0, 2_500.0),
    "FinishedDark": (8_120.0, 6_000.0, 0.0, 40_000.0),
    "FinishedMilk": (11_456.0, 6_500.0, 0.0, 40_000.0),
    "FinishedWhite": (3_020.0, 2_500.0, 0.0, 40_000.0),
}
KPIS = {
    "Performance/OEE": (61.5, "%"),
    "Performance/DefectRate": (2.13, "%"),
    "Cost/CostPerUnit": (5.874, "EUR"),
    "Production/GoodCount": (18_244.0, ""),
}
SETTINGS = {
    "title": "Chocolate line 1",
    "port": 0,
    "clock": "Simulation/PlantTime",
    "speed": "Simulation/Speed",
    "line": {
        "state": "Machines/*/Components/**/Status/State",
        "product": "Machines/*/Components/**/Production/Product",
        "lot": "Machines/*/Components/**/Production/LotId",
        "speed": "Machines/*/Components/**/Status/CurMachSpeed",
        "oee": "Machines/*/Components/**/Performance/OEE",
        "reason": "Machines/*/Components/**/Status/StopReason",
    },
    "stock": {"level": "Warehouse/*/Level", "limit": "Warehouse/*/ReorderPoint", "on_order": "Warehouse/*/OnOrder"},
    "kpis": [
        {"title": "OEE", "tag": "Machines/*/Performance/OEE"},
        {"title": "Defect rate", "tag": "Machines/*/Performance/DefectRate", "good": "low", "format": ".2f"},
        {"title": "Cost per unit", "tag": "Machines/*/Cost/CostPerUnit", "good": "low", "format": ".3f"},
        {"title": "Good units", "tag": "Machines/*/Production/GoodCount", "format": ",.0f"},
    ],
    "trends": ["Machines/*/Components/**/Process/*", "Machines/*/Performance/*", "Warehouse/*/Level"],
}
_STATION = "Machines/{line}/Components/{station}"
NAMING = Naming(
    NamingSettings(
        paths=[  # type: ignore[arg-type]
            _STATION + "/{group}/{tag}",
            _STATION + "/Components/{module}/{group}/{tag}",
            {"match": "Machines/{line}/{group}/{tag}", "set": {"station": "{line}"}},
            "Warehouse/{station}/{tag}",
        ]
    )
)


@dataclass(frozen=True)
class Curve:
    time: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    last: NDArray[np.generic]
    status: NDArray[np.uint32]


@dataclass
class FakeCatalogue:
    tags: list[Tag] = field(default_factory=list)
    version: int = 1

    def __len__(self) -> int:
        return len(self.tags)

    def __iter__(self) -> Iterator[Tag]:
        return iter(self.tags)

    def tag(self, tag_id: int) -> Tag:
        return self.tags[tag_id - 1]

    def find(self, path: str) -> Tag:
        return next(tag for tag in self.tags if "/".join(tag.path) == path)


class FakeGateway:
    """Catalogue, latest values, status and a historian that makes curves up."""

    def __init__(self) -> None:
        self.catalogue = FakeCatalogue()
        self.latest = Latest()
        self.status = fake_status()
        self.queries = 0
        self._first: dict[int, object] = {}
        self._add_line()
        self._add_stocks()
        self._add("Simulation/PlantTime", DataType.STRING, "2026-11-22T14:05:00")
        self._add("Simulation/Speed", DataType.DOUBLE, 60.0)

    @property
    def view(self) -> View:
        return View(self.status, self.catalogue, NAMING, self.latest, self.trend)

    def _add(self, path: str, kind: DataType, value: object, unit: str = "", **more: object) -> None:
        tag_id = len(self.catalogue.tags) + 1
        parts = tuple(path.split("/"))
        self.catalogue.tags.append(Tag(tag_id, "plant", f"s={path}", parts, kind, unit, **more))  # type: ignore[arg-type]
        self._first[tag_id] = value

    def _add_machine(self, folder: str, state: str, product: str, oee: float) -> None:
        self._add(f"{folder}/Status/State", DataType.INT32, STATES.index(state), enum=STATES)
        self._add(f"{folder}/Status/StopReason", DataType.STRING, "WaitsForMass" if oee else "")
        self._add(f"{folder}/Production/Product", DataType.STRING, product)
        self._add(f"{folder}/Production/LotId", DataType.STRING, "M-2026-0481" if product else "")

    def _add_line(self) -> None:
        for station, (state, rate, oee, process) in STATIONS.items():
            folder = f"Machines/ChocolateLine1/Components/{station}"
            if state:
                self._add_machine(folder, state, "Milk", oee)
            for unit, (unit_state, product) in CONCHES.items() if not state else ():
                self._add_machine(f"{folder}/Components/{unit}", unit_state, product, 0.0)
            self._add(f"{folder}/Status/CurMachSpeed", DataType.DOUBLE, rate, "kg/h")
            self._add(f"{folder}/Performance/OEE", DataType.DOUBLE, oee, "%")
            self._add(f"{folder}/Process/{process}", DataType.DOUBLE, 30.0, "°C")
        for path, (value, unit) in KPIS.items():
            self._add(f"Machines/ChocolateLine1/{path}", DataType.DOUBLE, value, unit)

    def _add_stocks(self) -> None:
        for material, (level, limit, coming, capacity) in STOCKS.items():
            for name, value in (("Level", level), ("ReorderPoint", limit), ("OnOrder", coming)):
                self._add(f"Warehouse/{material}/{name}", DataType.DOUBLE, value, "kg", low=0.0, high=capacity)

    async def give(self, path: str, value: object, status: int = 0, time: int | None = None) -> None:
        """A value for the page."""
        await self.give_id(self.catalogue.find(path).id, value, status, time)

    async def give_id(self, tag_id: int, value: object, status: int = 0, time: int | None = None) -> None:
        kind = np.float64 if isinstance(value, float) else np.int32 if isinstance(value, int) else np.object_
        await self.latest.write(
            Batch(
                (
                    Column(
                        np.array([1], np.int64),
                        np.array([tag_id], np.int32),
                        np.array([value], kind),
                        np.array([status], np.uint32),
                        np.array([time or time_ns()], np.int64),
                    ),
                ),
                (),
                (),
                1,
            )
        )

    async def give_all(self) -> None:
        for tag_id, value in self._first.items():
            await self.give_id(tag_id, value)

    async def live(self) -> None:
        """Process values and counters move once a second."""
        chance = random.Random(1)
        while True:
            await asyncio.sleep(1)
            for tag in self.catalogue.tags:
                value = self._first[tag.id]
                if isinstance(value, float) and tag.path[-1] not in ("ReorderPoint", "OnOrder", "Speed"):
                    await self.give_id(tag.id, value * (1 + chance.gauss(0, 0.004)))
            self.status.journal.head += 40
            self.status.sources["plant"].values += 96
            self.status.sources["plant"].last_value = time_ns()
            for sink in self.status.sinks.values():
                sink.delivered += 96 if sink.connection.link is Link.CONNECTED else 0

    async def trend(self, tag_id: int, start: int, end: int, points: int) -> Curve:
        self.queries += 1
        time = np.linspace(start, end, points).astype(np.int64)
        base = float(self._first[tag_id])  # type: ignore[arg-type]
        noise = np.random.default_rng(tag_id).normal(0, 0.004 * base, points)
        last = base * (1 + 0.03 * np.sin(time / 1e9 * math.tau / 1500 + tag_id)) + noise
        band = abs(noise) + 0.003 * base
        return Curve(time, last - band, last + band, last, np.zeros(points, np.uint32))


def fake_status() -> Status:
    status = Status()
    plant = SourceStatus("plant", "opc.tcp://127.0.0.1:4840", tags=412, values=1_848_210, last_value=time_ns())
    plant.connection.become(Link.CONNECTED)
    plant.waiting = {
        "Machines/ChocolateLine1/Components/Roasting/Process/Colour": "BadWaitingForInitialData: no batch was measured",
    }
    plant.silent = {
        "Machines/ChocolateLine1/Components/Grinding/Process/Vibration": "BadSensorFailure since 14:02",
    }
    status.sources["plant"] = plant
    for name, link, reason in (
        ("uns", Link.CONNECTED, ""),
        ("sparkplug", Link.WAITING, "connection refused by 127.0.0.1:1883, next try in 4 s"),
        ("influx", Link.REPAIRING, ""),
        ("historian", Link.CONNECTED, ""),
        ("page", Link.CONNECTED, ""),
    ):
        sink = SinkStatus(name, delivered=1_848_114, last_delivery=time_ns())
        sink.connection.become(link, reason)
        sink.behind = 23_456 if link is not Link.CONNECTED else 0
        status.sinks[name] = sink
    status.journal.head, status.journal.bytes = 83_112, 48_211_968
    now = time_ns()
    for minutes, rule, to, subject, state in (
        (190, "stock-low", "orders@sugar.example", "Sugar is below its reorder point: 21,940 kg", "sent"),
        (55, "bulk-order", "purchasing@hofladen.example", "Your order 10482: 120 cases Dark", "sent"),
        (4, "stock-low", "sales@dairy.example", "Milk powder is below its reorder point: 11,980 kg", "waiting"),
        (1, "bulk-order", "nobody@nowhere.example", "Your order 10493: 75 cases White", "dead"),
    ):
        status.mail.recent.append(
            Mail(now - minutes * 60 * 10**9, rule, to, subject, state, "" if state == "sent" else "550 no such user")
        )
    status.mail.sent, status.mail.waiting, status.mail.dead = 2, 1, 1
    return status


async def run(settings: PageSettings) -> None:
    gateway = FakeGateway()
    await gateway.give_all()
    server = WebServer(settings, gateway.view, listen(settings))
    await server.start()
    print(server.url, flush=True)  # noqa: T201
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    other = settings.model_copy(update={"title": "Chocolate line 2"})
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, server.adjust, other, gateway.view)
    living = asyncio.create_task(gateway.live())
    await stop.wait()
    living.cancel()
    await server.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--password")
    arguments = parser.parse_args()
    wanted = SETTINGS | {"port": arguments.port, "password": arguments.password}
    asyncio.run(run(PageSettings.model_validate(wanted)))
