"""Read and Write with the rights of the user (OPC 10000-4, 5.11)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from asyncua import ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.address_space import AttributeService, NodeData

from opcua_server.services.timestamps import stamped
from opcua_server.uatypes import Foreign, status

_VALUE = ua.AttributeIds.Value
_WRITE = 1 << ua.AccessLevel.CurrentWrite

Writer = Callable[[Any], Awaitable[ua.StatusCode]]
"""Takes a value of the node's type that a user wrote and tells what became of it."""


def may_operate(user: User) -> bool:
    """Whether a user may change anything: everyone who gave a name and password."""
    return user.role in (UserRole.User, UserRole.Admin)


class Attributes(AttributeService):
    """asyncua's attribute service with rights, timestamps and the status codes of the specification."""

    def __init__(self, aspace: Foreign) -> None:
        super().__init__(aspace)
        self._writers: dict[ua.NodeId, Writer] = {}

    def on_write(self, node: ua.NodeId, writer: Writer) -> None:
        """Let `writer` decide about values written to a node; it stores them itself."""
        self._writers[node] = writer

    def read_as(self, params: ua.ReadParameters, user: User) -> list[ua.DataValue]:
        """One value an attribute, with the timestamps asked for."""
        return [self._read(asked, user, params.TimestampsToReturn) for asked in params.NodesToRead]

    def _read(self, asked: ua.ReadValueId, user: User, wanted: ua.TimestampsToReturn) -> ua.DataValue:
        value = self._aspace.read_attribute_value(asked.NodeId, asked.AttributeId)
        if asked.AttributeId == _VALUE:
            return stamped(value, wanted)
        if may_operate(user) or value.Value is None:
            return value
        if asked.AttributeId == ua.AttributeIds.UserAccessLevel:
            return ua.DataValue(ua.Variant(value.Value.Value & ~_WRITE, ua.VariantType.Byte))
        if asked.AttributeId == ua.AttributeIds.UserExecutable:
            return ua.DataValue(ua.Variant(False, ua.VariantType.Boolean))
        return value

    async def write_as(self, params: ua.WriteParameters, user: User) -> list[ua.StatusCode]:
        """One status a write."""
        return [await self._write(wanted, user) for wanted in params.NodesToWrite]

    async def _write(self, wanted: ua.WriteValue, user: User) -> ua.StatusCode:
        node = self._aspace.get(wanted.NodeId)
        if node is None:
            return status("BadNodeIdUnknown")
        if wanted.AttributeId not in node.attributes:
            return status("BadAttributeIdInvalid")
        refused = self._refusal(node, wanted, user)
        return refused or await self._writers[wanted.NodeId](wanted.Value.Value.Value)

    def _refusal(self, node: NodeData, wanted: ua.WriteValue, user: User) -> ua.StatusCode | None:
        """Why a write is not taken, if so."""
        if wanted.AttributeId != _VALUE or wanted.NodeId not in self._writers:
            return status("BadNotWritable")
        if not may_operate(user):
            return status("BadUserAccessDenied")
        if wanted.IndexRange:
            return status("BadWriteNotSupported")
        given, own = wanted.Value.Value, _held(node)
        if given is None or own is None or given.VariantType != own.VariantType or given.is_array:
            return status("BadTypeMismatch")
        return None


def _held(node: NodeData) -> ua.Variant | None:
    held = node.attributes[_VALUE].value
    return held.Value if held is not None else None
