"""Call with rights and arguments checked (OPC 10000-4, 5.12)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from asyncua import ua
from asyncua.crypto.permission_rules import User
from asyncua.server.address_space import MethodService

from opcua_server.services.attribute import may_operate
from opcua_server.uatypes import Foreign, status

_GOOD = ua.StatusCode()
_log = structlog.get_logger(__name__)


class ArgumentError(ValueError):
    """An argument of the right type that means nothing here: which one, and the name of its status code."""

    def __init__(self, index: int, status: str, reason: str) -> None:
        super().__init__(reason)
        self.index, self.status = index, status


class StateError(Exception):
    """The object cannot do it in its present state; the text says why."""


@dataclass(frozen=True)
class Method:
    """A method of one object.

    `work` takes the arguments' values, returns the results if the method has some, and may raise ArgumentError or
    StateError.
    """

    object: ua.NodeId
    types: tuple[ua.VariantType, ...]
    work: Callable[..., Awaitable[list[ua.Variant] | None]]


def check_arguments(arguments: list[ua.Variant], types: tuple[ua.VariantType, ...]) -> ua.CallMethodResult | None:
    """Why a call with these arguments cannot be made, if so."""
    if len(arguments) < len(types):
        return _refused("BadArgumentsMissing")
    if len(arguments) > len(types):
        return _refused("BadTooManyArguments")
    fits = [given.VariantType == type_ and not given.is_array for given, type_ in zip(arguments, types, strict=True)]
    if all(fits):
        return None
    results = [_GOOD if fit else status("BadTypeMismatch") for fit in fits]
    return ua.CallMethodResult(StatusCode=status("BadInvalidArgument"), InputArgumentResults=results)


def _refused(name: str) -> ua.CallMethodResult:
    return ua.CallMethodResult(StatusCode=status(name))


class Methods(MethodService):
    """The methods of our own objects, and those of asyncua (ConditionRefresh)."""

    def __init__(self, aspace: Foreign) -> None:
        super().__init__(aspace)
        self._methods: dict[ua.NodeId, Method] = {}

    def bind(self, node: ua.NodeId, method: Method) -> None:
        """Let a method node do something."""
        self._methods[node] = method

    async def call_as(self, calls: list[ua.CallMethodRequest], user: User) -> list[ua.CallMethodResult]:
        """One result a call, in order."""
        return [await self._call_as(call, user) for call in calls]

    async def _call_as(self, call: ua.CallMethodRequest, user: User) -> ua.CallMethodResult:
        if call.ObjectId not in self._aspace:
            return _refused("BadNodeIdUnknown")
        method = self._methods.get(call.MethodId)
        if method is None:
            return await self._call_standard(call)
        if method.object != call.ObjectId:
            return _refused("BadMethodInvalid")
        if not may_operate(user):
            return _refused("BadUserAccessDenied")
        return await _run(method, list(call.InputArguments or ()))

    async def _call_standard(self, call: ua.CallMethodRequest) -> ua.CallMethodResult:
        node = self._aspace.get(call.MethodId)
        if node is None or ua.AttributeIds.Executable not in node.attributes:
            return _refused("BadMethodInvalid")
        return await self._call(call) if node.call else _refused("BadNotImplemented")


async def _run(method: Method, arguments: list[ua.Variant]) -> ua.CallMethodResult:
    refused = check_arguments(arguments, method.types)
    if refused is not None:
        return refused
    results = [_GOOD] * len(arguments)
    try:
        outputs = await method.work(*(argument.Value for argument in arguments))
    except ArgumentError as error:
        results[error.index] = status(error.status)
        return ua.CallMethodResult(StatusCode=status("BadInvalidArgument"), InputArgumentResults=results)
    except StateError as error:
        _log.info("a call was refused", reason=str(error))
        return _refused("BadInvalidState")
    return ua.CallMethodResult(InputArgumentResults=results, OutputArguments=outputs or [])
