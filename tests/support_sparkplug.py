"""A Sparkplug host in a few lines: reads what an edge node publishes and insists on the rules of the specification."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.sinks.sparkplug_schema import Datatype, Payload

FIELDS = {
    "int_value": {Datatype.INT8, Datatype.INT16, Datatype.INT32, Datatype.UINT8, Datatype.UINT16, Datatype.UINT32},
    "long_value": {Datatype.INT64, Datatype.UINT64, Datatype.DATETIME},
    "float_value": {Datatype.FLOAT},
    "double_value": {Datatype.DOUBLE},
    "boolean_value": {Datatype.BOOLEAN},
    "string_value": {Datatype.STRING, Datatype.UUID},
}


@dataclass
class Known:
    """A metric as the host has it."""

    device: str
    name: str
    datatype: int
    value: Any
    quality: int | None
    time: int
    properties: dict[str, Any]


@dataclass
class Host:
    """Feed it topics and payloads in order of arrival."""

    group: str = "choco"
    node: str = "conche"
    alive: bool = False
    bd_seq: int | None = None
    seq: int | None = None
    metrics: dict[int, Known] = field(default_factory=dict)
    node_metrics: dict[str, list[Any]] = field(default_factory=dict)
    history: dict[str, list[Any]] = field(default_factory=dict)  # live values by "device/name"
    late: dict[str, list[Any]] = field(default_factory=dict)  # historical ones
    births: int = 0
    deaths: int = 0
    devices: list[str] = field(default_factory=list)
    data_messages: int = 0

    def hear(self, topic: str, body: bytes) -> None:
        """One message. AssertionError where the edge node breaks a rule."""
        levels = topic.split("/")
        if levels[0] != "spBv1.0":
            return
        assert (levels[1], levels[3]) == (self.group, self.node)
        message = Payload.FromString(body)
        kind, device = levels[2], levels[4] if len(levels) == 5 else None
        assert (kind[0] == "D") == (device is not None)
        getattr(self, f"_{kind.lower()}")(message, device)

    def _count(self, message: Any) -> None:
        assert self.alive, "data or a device's birth before the node's birth"
        assert self.seq is not None
        assert message.seq == (self.seq + 1) % 256, "the sequence has a hole"
        assert message.HasField("timestamp")
        self.seq = message.seq

    def _nbirth(self, message: Any, _: None) -> None:
        assert message.HasField("seq")
        assert message.seq == 0
        assert message.HasField("timestamp")
        assert all(metric.HasField("name") and metric.HasField("datatype") for metric in message.metrics)
        by_name = {metric.name: metric for metric in message.metrics}
        rebirth = by_name["Node Control/Rebirth"]
        assert (rebirth.datatype, rebirth.boolean_value, rebirth.HasField("alias")) == (11, False, False)
        assert by_name["bdSeq"].datatype == 4
        self.bd_seq = by_name["bdSeq"].long_value
        self.alive, self.seq = True, 0
        self.births += 1
        self.metrics.clear()
        self.devices.clear()
        self.node_metrics = {name: [] for name in by_name}

    def _dbirth(self, message: Any, device: str) -> None:
        self._count(message)
        assert device not in self.devices
        self.devices.append(device)
        names = [metric.name for metric in message.metrics]
        assert len(set(names)) == len(names)
        for metric in message.metrics:
            assert metric.HasField("datatype")
            assert metric.HasField("timestamp")
            assert metric.alias not in self.metrics, "an alias is unique in the node"
            assert all(value.HasField("type") for value in metric.properties.values)
            properties = _properties(metric)
            known = Known(
                device, metric.name, metric.datatype, None, properties["Quality"], metric.timestamp, properties
            )
            self.metrics[metric.alias] = known
            known.value = _value(metric, known)

    def _ddata(self, message: Any, device: str) -> None:
        self._count(message)
        self.data_messages += 1
        live = [metric.timestamp for metric in message.metrics if not metric.is_historical]
        assert live == sorted(live), "the values of a message are in order of time"
        for metric in message.metrics:
            assert not metric.HasField("name"), "the alias is enough"
            assert not metric.HasField("datatype")
            known = self.metrics[metric.alias]
            assert known.device == device
            value = _value(metric, known)
            if metric.is_historical:
                self.late.setdefault(f"{device}/{known.name}", []).append(value)
                continue
            self.history.setdefault(f"{device}/{known.name}", []).append(value)
            known.value, known.time = value, metric.timestamp
            known.quality = _properties(metric).get("Quality", known.quality)

    def _ndata(self, message: Any, _: None) -> None:
        self._count(message)
        for metric in message.metrics:
            self.node_metrics[metric.name].append(metric)

    def _ndeath(self, message: Any, _: None) -> None:
        assert not message.HasField("seq")
        (metric,) = message.metrics
        assert (metric.name, metric.datatype, metric.long_value) == ("bdSeq", 4, self.bd_seq)
        self.alive = False
        self.deaths += 1

    def find(self, name: str) -> Known:
        """The metric "device/name"."""
        (known,) = [known for known in self.metrics.values() if f"{known.device}/{known.name}" == name]
        return known


def _properties(metric: Any) -> dict[str, Any]:
    pairs = zip(metric.properties.keys, metric.properties.values, strict=True)
    return {key: getattr(value, value.WhichOneof("value")) for key, value in pairs}


def _value(metric: Any, known: Known) -> Any:
    which = metric.WhichOneof("value")
    if which is None:
        assert metric.is_null, "a metric has a value or is null"
        return None
    fitting = FIELDS.get(which)
    assert known.datatype in fitting if fitting else known.datatype in (17, *range(22, 35))
    value = getattr(metric, which)
    if known.datatype in (Datatype.INT8, Datatype.INT16, Datatype.INT32) and value >= 1 << 31:
        return value - (1 << 32)
    if known.datatype == Datatype.INT64 and value >= 1 << 63:
        return value - (1 << 64)
    return value
