"""What the server says about its variables: attributes and properties, read in chunks, as tags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asyncua import ua

from gateway.opcua.browse import browse_children
from gateway.opcua.errors import is_bad
from gateway.opcua.nodes import standard
from gateway.opcua.session import in_chunks
from gateway.values import DataType, Tag

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from gateway.opcua.browse import Found
    from gateway.opcua.session import Session

    _Types = dict[ua.NodeId, tuple[DataType, tuple[str, ...]]]
    """The built-in type behind each data type, and the texts of enumerations."""

_ATTRIBUTES = (
    ua.AttributeIds.DataType,
    ua.AttributeIds.ValueRank,
    ua.AttributeIds.AccessLevel,
    ua.AttributeIds.Historizing,
    ua.AttributeIds.Description,
)
_PROPERTIES = ("EURange", "EngineeringUnits", "EnumStrings", "EnumValues")
_WRITABLE = 1 << ua.AccessLevel.CurrentWrite
_HISTORY = 1 << ua.AccessLevel.HistoryRead
_ENUMERATION = standard(ua.ObjectIds.Enumeration)
_ANYTHING = standard(ua.ObjectIds.BaseDataType)
_TOGETHER = 2_000  # variables that are asked about before others: the answers about 100,000 would take 150 MB
_LARGEST_ENUM = 1_024
_DEEPEST_TYPE = 20
_NAN = float("nan")
_UNKNOWN = frozenset({ua.StatusCodes.BadNodeIdUnknown, ua.StatusCodes.BadNodeIdInvalid})


@dataclass(frozen=True, slots=True)
class Described:
    """Tags (id 0) of variables, in their order, and the data types among theirs that are or may hold structures."""

    tags: list[Tag]
    structures: set[ua.NodeId]


async def describe(session: Session, found: Sequence[Found], source: str) -> Described:
    """What the server says of these variables. What it does not tell has the tag's default."""
    tags: list[Tag] = []
    types: _Types = {}
    for start in range(0, len(found), _TOGETHER):
        part = found[start : start + _TOGETHER]
        values = await read_attributes(session, [(one.node, attribute) for one in part for attribute in _ATTRIBUTES])
        per_node = [values[i : i + len(_ATTRIBUTES)] for i in range(0, len(values), len(_ATTRIBUTES))]
        properties = await _properties(session, [one.properties for one in part])
        types |= await _types(session, {kind for kind, *_ in per_node if isinstance(kind, ua.NodeId)} - types.keys())
        tags += [
            _tag(session, source, one, facts, extra, types)
            for one, facts, extra in zip(part, per_node, properties, strict=True)
        ]
    return Described(tags, {kind for kind, (base, _) in types.items() if _may_be_structure(kind, base)})


def _may_be_structure(kind: ua.NodeId, base: DataType) -> bool:
    return base == DataType.EXTENSIONOBJECT or kind == _ANYTHING


async def read_attributes(session: Session, wanted: Sequence[tuple[ua.NodeId, ua.AttributeIds]]) -> list[Any]:
    """The values of attributes; None where one cannot be read."""
    reads = [ua.ReadValueId(NodeId=node, AttributeId=attribute) for node, attribute in wanted]

    async def read(part: Sequence[ua.ReadValueId]) -> list[Any]:
        parameters = ua.ReadParameters(NodesToRead=list(part), TimestampsToReturn=ua.TimestampsToReturn.Neither)
        results: list[Any] = await session.ask(session.services.read, parameters)
        return [_good(result) for result in results]

    return await in_chunks(reads, session.limits.read, read)


async def unknown_nodes(session: Session, tags: Sequence[Tag]) -> list[Tag]:
    """Those of the tags whose node the server does not know: it says so itself."""

    async def read(part: Sequence[Tag]) -> list[bool]:
        reads = [
            ua.ReadValueId(NodeId=session.namespaces.node(tag.node), AttributeId=ua.AttributeIds.NodeClass)
            for tag in part
        ]
        parameters = ua.ReadParameters(NodesToRead=reads, TimestampsToReturn=ua.TimestampsToReturn.Neither)
        results = await session.ask(session.services.read, parameters)
        return [result.StatusCode is not None and result.StatusCode.value in _UNKNOWN for result in results]

    here = [tag for tag in tags if session.namespaces.has(tag.node)]
    answers = dict(zip((tag.node for tag in here), await in_chunks(here, session.limits.read, read), strict=True))
    return [tag for tag in tags if answers.get(tag.node, True)]


def _good(result: ua.DataValue) -> Any:  # noqa: ANN401 - any attribute
    if result.Value is None or (result.StatusCode is not None and is_bad(result.StatusCode.value)):
        return None
    return result.Value.Value


async def _properties(session: Session, nodes: Sequence[Mapping[str, ua.NodeId]]) -> list[dict[str, Any]]:
    """The values of the properties that are of interest, by name, for each set of nodes by name."""
    wanted = [(i, name, here[name]) for i, here in enumerate(nodes) for name in _PROPERTIES if name in here]
    values = await read_attributes(session, [(node, ua.AttributeIds.Value) for _, _, node in wanted])
    properties: list[dict[str, Any]] = [{} for _ in nodes]
    for (i, name, _), value in zip(wanted, values, strict=True):
        properties[i][name] = value
    return properties


async def _types(session: Session, kinds: Collection[ua.NodeId]) -> _Types:
    """The built-in type behind each data type, and the texts of enumerations."""
    ways = {kind: await way_up(session, kind) for kind in kinds}
    enums = [kind for kind, way in ways.items() if _ENUMERATION in way]
    texts = dict(zip(enums, await _enum_texts(session, enums), strict=True))
    return {kind: (built_in(way), texts.get(kind, ())) for kind, way in ways.items()}


async def structures_among(session: Session, kinds: Collection[ua.NodeId]) -> set[ua.NodeId]:
    """Those of the data types that are or may hold structures."""
    return {kind for kind in kinds if _may_be_structure(kind, built_in(await way_up(session, kind)))}


async def way_up(session: Session, kind: ua.NodeId) -> list[ua.NodeId]:
    """A data type and its supertypes, up to the first built-in one."""
    way = [kind]
    while not is_basic(way[-1]) and len(way) < _DEEPEST_TYPE:
        (above,) = await browse_children(
            session,
            [way[-1]],
            reference=ua.ObjectIds.HasSubtype,
            classes=ua.NodeClass.DataType,
            direction=ua.BrowseDirection.Inverse,
        )
        parents = [node for one in above if (node := session.namespaces.local(one.NodeId)) is not None]
        if not parents:
            break
        way.append(parents[0])
    return way


def is_basic(kind: ua.NodeId) -> bool:
    """Whether this is a built-in type, or one of the abstract ones above them, such as Number and Enumeration."""
    return kind.NamespaceIndex == 0 and int(kind.Identifier) <= ua.ObjectIds.Enumeration


def built_in(way: Sequence[ua.NodeId]) -> DataType:
    """How values of a data type are encoded, by its way up.

    VARIANT for Number, BaseDataType and whatever else says only that anything may come.
    """
    top = way[-1]
    if top == _ENUMERATION:
        return DataType.INT32
    is_built_in = is_basic(top) and 0 < int(top.Identifier) <= max(DataType)
    return DataType(int(top.Identifier)) if is_built_in else DataType.VARIANT


async def _enum_texts(session: Session, enums: Sequence[ua.NodeId]) -> list[tuple[str, ...]]:
    found = await browse_children(session, enums, reference=ua.ObjectIds.HasProperty, classes=ua.NodeClass.Variable)
    nodes = [
        {str(one.BrowseName.Name): node for one in references if (node := session.namespaces.local(one.NodeId))}
        for references in found
    ]
    return [_texts(properties) for properties in await _properties(session, nodes)]


def _texts(properties: Mapping[str, Any]) -> tuple[str, ...]:
    """Texts by value from EnumStrings or EnumValues; "" where a value has none."""
    values = properties.get("EnumValues")
    if isinstance(values, list):
        named = {int(one.Value): str(one.DisplayName.Text or "") for one in values if hasattr(one, "DisplayName")}
        named = {value: text for value, text in named.items() if 0 <= value < _LARGEST_ENUM}
        return tuple(named.get(value, "") for value in range(max(named, default=-1) + 1))
    strings = properties.get("EnumStrings")
    return tuple(str(one.Text or "") for one in strings) if isinstance(strings, list) else ()


def _tag(
    session: Session,
    source: str,
    found: Found,
    facts: Sequence[Any],
    properties: Mapping[str, Any],
    types: _Types,
) -> Tag:
    kind, rank, access, historizing, description = facts
    data_type, texts = types.get(kind, (DataType.VARIANT, ()))
    span, unit = properties.get("EURange"), properties.get("EngineeringUnits")
    return Tag(
        id=0,
        source=source,
        node=session.namespaces.text(found.node),
        path=found.path,
        data_type=DataType.VARIANT if isinstance(rank, int) and rank >= 0 else data_type,  # arrays: see the value
        unit=str(unit.DisplayName.Text or "") if isinstance(unit, ua.EUInformation) else "",
        low=float(span.Low) if isinstance(span, ua.Range) else _NAN,
        high=float(span.High) if isinstance(span, ua.Range) else _NAN,
        enum=_texts(properties) or texts,
        description=str(description.Text or "") if isinstance(description, ua.LocalizedText) else "",
        writable=bool(int(access or 0) & _WRITABLE),
        historised=bool(historizing) or bool(int(access or 0) & _HISTORY),
    )
