"""The plant as nodes, from its signals: objects along their paths, variables of the types of OPC 10000-8."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from asyncua import ua

from opcua_server.model.builder import HISTORY_READ, READ, TELL_EVENTS, WRITE, Builder, Ids, Place, Variable
from opcua_server.model.types import Types
from opcua_server.uatypes import standard, text, variant
from opcua_server.units import unit
from plant_model.signals import Signal, SignalType

PLANT_URI = "urn:conche:chocolate-line"
Path = tuple[str, ...]
_CONTAINERS = ("Machines", "Components")
_T = ua.VariantType

VARIANT_TYPES = {
    SignalType.BOOLEAN: _T.Boolean,
    SignalType.UINT16: _T.UInt16,
    SignalType.UINT32: _T.UInt32,
    SignalType.UINT64: _T.UInt64,
    SignalType.INT32: _T.Int32,
    SignalType.DOUBLE: _T.Double,
    SignalType.STRING: _T.String,
    SignalType.DATETIME: _T.DateTime,
    SignalType.ENUM: _T.UInt32,  # the data type of MultiStateDiscreteType is UInteger
}


@dataclass(frozen=True)
class Instances:
    """NodeIds: the variables in the order of the signals, their texts where they have some, objects by path."""

    variables: tuple[ua.NodeId, ...]
    texts: tuple[ua.NodeId | None, ...]
    objects: dict[Path, ua.NodeId]


def object_names(signal: Signal) -> Iterator[tuple[Path, str]]:
    """The objects above a signal from the top, each as path and NodeId: the signal's own, cut off.

    Containers of the path ("Machines", "Components") have no part in it: "Line1.Components" is that of "Line1".
    """
    parts = signal.node.split(".")
    used = 0
    for depth, name in enumerate(signal.path[:-1], 1):
        used += name not in _CONTAINERS
        own = [name] if name in _CONTAINERS else []
        yield signal.path[:depth], ".".join(parts[:used] + own)


def object_type(path: Path, types: Types) -> ua.NodeId:
    """The type of the object at a path."""
    names = {
        ("Machines", 2): "ChocolateLineType",
        ("Machines", 4): "StationType",
        ("Machines", 6): "UnitType",
        ("Warehouse", 1): "WarehouseType",
        ("Warehouse", 2): "MaterialType",
        ("Simulation", 1): "SimulationType",
    }
    is_group = path[-1] in _CONTAINERS or (
        path[0] == "Machines" and path[-2:-1] not in {("Components",), ("Machines",)}
    )
    name = None if is_group else names.get((path[0], len(path)))
    return types.objects[name] if name else standard(Ids.FolderType)


def build_instances(builder: Builder, types: Types, signals: Sequence[Signal], writable: Sequence[Signal]) -> Instances:
    """Add an object for each path and a variable for each signal."""
    objects: dict[Path, ua.NodeId] = {}
    for signal in signals:
        for path, node in object_names(signal):
            if path not in objects:
                objects[path] = _build_object(builder, types, objects, path, node)
    variables = tuple(
        build_variable(builder, objects[signal.path[:-1]], signal, writable=signal in writable) for signal in signals
    )
    texts = tuple(
        _build_text(builder, node) if has_gaps(signal.enum) else None
        for node, signal in zip(variables, signals, strict=True)
    )
    return Instances(variables, texts, objects)


def _build_object(builder: Builder, types: Types, known: dict[Path, ua.NodeId], path: Path, node: str) -> ua.NodeId:
    type_ = object_type(path, types)
    is_source = type_ != standard(Ids.FolderType)
    place = Place(known[path[:-1]]) if len(path) > 1 else Place(standard(Ids.ObjectsFolder), Ids.Organizes)
    built = builder.object(place, node, path[-1], type_, notifier=TELL_EVENTS if is_source else 0)
    if is_source:
        above = [known[path[:depth]] for depth in range(len(path) - 1, 0, -1) if path[depth - 1] not in _CONTAINERS]
        builder.reference(above[0] if above else standard(Ids.Server), Ids.HasNotifier, built)
    return built


def has_gaps(enum: Sequence[str]) -> bool:
    """Whether some value of an enumeration has no text."""
    return not all(enum)


def type_of(signal: Signal) -> int:
    """The type of a variable: what is known of a signal decides."""
    has_range = math.isfinite(signal.low) and math.isfinite(signal.high)
    if signal.enum:
        return Ids.MultiStateValueDiscreteType if has_gaps(signal.enum) else Ids.MultiStateDiscreteType
    if signal.unit:
        return Ids.AnalogUnitRangeType if has_range else Ids.AnalogUnitType
    return Ids.AnalogItemType if has_range else Ids.BaseDataVariableType


def build_variable(builder: Builder, parent: ua.NodeId, signal: Signal, *, writable: bool) -> ua.NodeId:
    """Add the variable of a signal with its properties."""
    built_in = VARIANT_TYPES[signal.type]
    what = Variable(
        standard(type_of(signal)),
        standard(built_in),
        ua.Variant(ua.get_default_value(built_in), built_in),
        READ | HISTORY_READ | (WRITE if writable else 0),
        signal.period_s * 1000.0,
        signal.description,
    )
    node = builder.variable(Place(parent), signal.node, signal.path[-1], what)
    for name, data_type, value in properties(signal):
        builder.property(node, name, data_type, value)
    return node


def properties(signal: Signal) -> Iterator[tuple[str, int, ua.Variant]]:
    """The properties of a signal's variable: name, data type, value."""
    if math.isfinite(signal.low) and math.isfinite(signal.high) and not signal.enum:
        yield "EURange", Ids.Range, ua.Variant(ua.Range(signal.low, signal.high), _T.ExtensionObject)
    if signal.unit:
        yield "EngineeringUnits", Ids.EUInformation, ua.Variant(unit(signal.unit), _T.ExtensionObject)
    if has_gaps(signal.enum):
        values = [ua.EnumValueType(i, text(words)) for i, words in enumerate(signal.enum) if words]
        yield "EnumValues", Ids.EnumValueType, variant(values, _T.ExtensionObject)
    elif signal.enum:
        strings = [text(words) for words in signal.enum]
        yield "EnumStrings", Ids.LocalizedText, variant(strings, _T.LocalizedText)


def _build_text(builder: Builder, variable: ua.NodeId) -> ua.NodeId:
    value = ua.Variant(ua.LocalizedText(), _T.LocalizedText)
    return builder.property(variable, "ValueAsText", Ids.LocalizedText, value)
