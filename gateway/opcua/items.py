"""Monitored items: created, modified and deleted in chunks; one that the server does not want disturbs no other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, TypeVar

from asyncua import ua

from gateway.opcua.errors import ServiceFault, in_words, is_bad
from gateway.opcua.session import in_chunks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from gateway.opcua.session import Session
    from gateway.opcua.terms import Deadband, Parameters

    _Outcomes = list["Item | Refusal"]
    _Call = Callable[[Sequence["Asked"]], Awaitable[_Outcomes]]

A = TypeVar("A")
B = TypeVar("B")

_ABSOLUTE, _PERCENT = 1, 2  # DeadbandType (OPC 10000-4, 7.22.2)
_ABOUT_THE_DEADBAND = frozenset(
    {
        ua.StatusCodes.BadMonitoredItemFilterInvalid,
        ua.StatusCodes.BadMonitoredItemFilterUnsupported,
        ua.StatusCodes.BadFilterNotAllowed,
        ua.StatusCodes.BadDeadbandFilterInvalid,
    }
)
_ABOUT_ONE_ITEM = frozenset(
    {
        ua.StatusCodes.BadNodeIdInvalid,
        ua.StatusCodes.BadNodeIdUnknown,
        ua.StatusCodes.BadMonitoredItemIdInvalid,
        ua.StatusCodes.BadAttributeIdInvalid,
        ua.StatusCodes.BadInvalidArgument,
        ua.StatusCodes.BadUserAccessDenied,
        ua.StatusCodes.BadInternalError,
        ua.StatusCodes.BadUnexpectedError,
        ua.StatusCodes.BadDecodingError,
    }
)


@dataclass(frozen=True, slots=True)
class Revised:
    """What the server made of an item. Equal ones are one object: there may be 100,000 items."""

    sampling_ms: float
    queue_size: int
    refused: str = ""  # what it did not take of the parameters, and why


@dataclass(frozen=True, slots=True)
class Item:
    """A monitored item of the server."""

    id: int
    asked: Parameters
    revised: Revised


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the server does not make, or does not change, an item."""

    code: int

    def __str__(self) -> str:
        """The StatusCode in words."""
        return in_words(self.code)


@dataclass(frozen=True, slots=True)
class Asked:
    """An item to create on a node, or one to modify."""

    handle: int
    parameters: Parameters
    node: ua.NodeId | None = None
    item_id: int = 0
    refused: str = ""  # why the deadband is left out


revised = cache(Revised)
"""The one object of these values."""


async def create_items(session: Session, subscription: int, wanted: Sequence[Asked]) -> list[Item | Refusal]:
    """What became of each. A deadband that the server does not know is done without."""
    return await _agreed(session, wanted, partial(_create, session, subscription))


async def modify_items(session: Session, subscription: int, wanted: Sequence[Asked]) -> list[Item | Refusal]:
    """The same for items that are there. One that is refused goes on as it was."""
    return await _agreed(session, wanted, partial(_modify, session, subscription))


async def delete_items(session: Session, subscription: int, items: Sequence[int]) -> None:
    """Delete these; that some are gone already does not matter."""

    async def delete(part: Sequence[int]) -> list[ua.StatusCode | Refusal]:
        parameters = ua.DeleteMonitoredItemsParameters(SubscriptionId=subscription, MonitoredItemIds=list(part))
        results: list[ua.StatusCode | Refusal] = await session.ask(session.services.delete_monitored_items, parameters)
        return results

    await in_chunks(items, session.limits.items, partial(_each, delete))


async def _agreed(session: Session, wanted: Sequence[Asked], call: _Call) -> _Outcomes:
    """Ask for all, and once more without deadband where that is what the server does not want."""
    each = partial(_each, call)
    outcomes: _Outcomes = await in_chunks(wanted, session.limits.items, each)
    plainer = {
        place: replace(asked, refused=f"no deadband of {asked.parameters.deadband}: {outcome}")
        for place, (asked, outcome) in enumerate(zip(wanted, outcomes, strict=True))
        if isinstance(outcome, Refusal) and outcome.code in _ABOUT_THE_DEADBAND and asked.parameters.deadband
    }
    second = await in_chunks(list(plainer.values()), session.limits.items, each)
    for place, outcome in zip(plainer, second, strict=True):
        outcomes[place] = outcome
    return outcomes


async def _each(call: Callable[[Sequence[A]], Awaitable[list[B | Refusal]]], part: Sequence[A]) -> list[B | Refusal]:
    """The outcomes of a call; where one item makes the whole call fail, it is found by halves."""
    try:
        return await call(part)
    except ServiceFault as fault:
        if fault.code not in _ABOUT_ONE_ITEM:
            raise
        if len(part) == 1:
            return [Refusal(fault.code)]
    middle = len(part) // 2
    return [*await _each(call, part[:middle]), *await _each(call, part[middle:])]


async def _create(session: Session, subscription: int, wanted: Sequence[Asked]) -> _Outcomes:
    requests = [
        ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=asked.node, AttributeId=ua.AttributeIds.Value),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=_parameters(asked),
        )
        for asked in wanted
    ]
    parameters = ua.CreateMonitoredItemsParameters(subscription, ua.TimestampsToReturn.Source, requests)
    results = await session.ask(session.services.create_monitored_items, parameters)
    return [_outcome(asked, int(result.MonitoredItemId), result) for asked, result in zip(wanted, results, strict=True)]


async def _modify(session: Session, subscription: int, wanted: Sequence[Asked]) -> _Outcomes:
    requests = [ua.MonitoredItemModifyRequest(asked.item_id, _parameters(asked)) for asked in wanted]
    parameters = ua.ModifyMonitoredItemsParameters(subscription, ua.TimestampsToReturn.Source, requests)
    results = await session.ask(session.services.modify_monitored_items, parameters)
    return [_outcome(asked, asked.item_id, result) for asked, result in zip(wanted, results, strict=True)]


def _parameters(asked: Asked) -> ua.MonitoringParameters:
    wanted = asked.parameters
    return ua.MonitoringParameters(
        ClientHandle=asked.handle,
        SamplingInterval=wanted.sampling_ms,
        Filter=None if wanted.deadband is None or asked.refused else _filter(wanted.deadband),
        QueueSize=wanted.queue_size,
        DiscardOldest=wanted.keeps_newest,
    )


def _filter(deadband: Deadband) -> ua.DataChangeFilter:
    return ua.DataChangeFilter(
        Trigger=ua.DataChangeTrigger.StatusValue,
        DeadbandType=_PERCENT if deadband.percent else _ABSOLUTE,
        DeadbandValue=deadband.width,
    )


def _outcome(
    asked: Asked, item_id: int, result: ua.MonitoredItemCreateResult | ua.MonitoredItemModifyResult
) -> Item | Refusal:
    if is_bad(result.StatusCode.value):
        return Refusal(int(result.StatusCode.value))
    made = revised(float(result.RevisedSamplingInterval), int(result.RevisedQueueSize), asked.refused)
    return Item(item_id, asked.parameters, made)
