"""Values of OPC UA's built-in types, any that a server may send."""

from __future__ import annotations

from datetime import UTC, datetime

from asyncua import ua
from hypothesis import strategies as st

EARLIEST, LATEST = datetime.fromisoformat("1980-01-01"), datetime.fromisoformat("2200-01-01")
T = ua.VariantType

TIMES = st.datetimes(EARLIEST, LATEST, timezones=st.just(UTC))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_node_ids = st.one_of(
    st.builds(ua.NodeId, st.integers(0, 2**32 - 1), st.integers(0, 65535)),
    st.builds(ua.NodeId, TEXTS.filter(bool), st.integers(0, 65535), st.just(ua.NodeIdType.String)),
    st.builds(ua.NodeId, st.uuids(), st.integers(0, 65535), st.just(ua.NodeIdType.Guid)),
    st.builds(ua.NodeId, st.binary(min_size=1, max_size=5), st.integers(0, 65535), st.just(ua.NodeIdType.ByteString)),
)
_structures = st.builds(ua.Range, st.floats(allow_nan=False), st.floats(allow_nan=False)) | st.builds(
    ua.EUInformation, TEXTS, st.integers(-(2**31), 2**31 - 1), st.builds(ua.LocalizedText, TEXTS, TEXTS)
)
SCALARS = {
    T.Boolean: st.booleans(),
    T.SByte: st.integers(-128, 127),
    T.Byte: st.integers(0, 255),
    T.Int16: st.integers(-(2**15), 2**15 - 1),
    T.UInt16: st.integers(0, 2**16 - 1),
    T.Int32: st.integers(-(2**31), 2**31 - 1),
    T.UInt32: st.integers(0, 2**32 - 1),
    T.Int64: st.integers(-(2**63), 2**63 - 1),
    T.UInt64: st.integers(0, 2**64 - 1),
    T.Float: st.floats(allow_nan=False, width=32),
    T.Double: st.floats(allow_nan=False),
    T.String: st.none() | TEXTS,
    T.DateTime: TIMES,
    T.Guid: st.uuids(),
    T.ByteString: st.none() | st.binary(max_size=6),
    T.XmlElement: st.builds(ua.XmlElement, TEXTS),
    T.NodeId: _node_ids,
    T.StatusCode: st.builds(ua.StatusCode, st.sampled_from([0, 0x80000000, 0x40000000])),
    T.QualifiedName: st.builds(ua.QualifiedName, TEXTS.filter(bool), st.integers(0, 32767)),
    T.LocalizedText: st.builds(ua.LocalizedText, st.none() | TEXTS, st.none() | TEXTS),
    T.ExtensionObject: _structures,
}
