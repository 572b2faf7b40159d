"""The read-all of the repair ladder: after a way back the newest value of every tag is the present one.

A subscription that was made or taken over should report every value by itself. Many servers do not: they ignore
SendInitialValues, or keep nothing while no session takes it. So what reports nothing is read.
"""

from __future__ import annotations

import asyncio
from functools import partial
from time import monotonic, time_ns
from typing import TYPE_CHECKING, NoReturn

import structlog
from asyncua import ua

from gateway.opcua.decode import decode_data
from gateway.opcua.encode import separate, together
from gateway.opcua.errors import NoAnswer, ServiceFault, translated
from gateway.opcua.session import in_chunks
from gateway.opcua.wire import read_response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.opcua.marks import Marks
    from gateway.opcua.publish import Publisher
    from gateway.opcua.session import Session
    from gateway.opcua.subscription import Subscriptions
    from gateway.opcua.tags import TagSet
    from gateway.values import Tag

_LOOK_S = 0.05
_AGAIN_S = 5.0  # after a Read that the server refused

_log = structlog.get_logger(__name__)


class Current:
    """Reads the doubted tags of one source once, as soon as they are monitored and had time to report."""

    def __init__(self, tags: TagSet, subscriptions: Subscriptions, marks: Marks) -> None:
        self._tags = tags
        self._subscriptions = subscriptions
        self._marks = marks
        self._is_new = True  # nobody in this process has seen any value yet: those in the journal are news, too
        self._settle_s = 0.0
        self._begun = asyncio.Event()

    def doubt(self) -> None:
        """Nobody knows whether the newest value of any tag is still the present one."""
        self._marks.doubt(self._tags.by_id)

    def begin(self, settle_s: float) -> None:
        """The tags are monitored; what is to be reported at once is reported within this time."""
        self._settle_s = settle_s
        self._begun.set()

    async def assure(self, session: Session, publisher: Publisher) -> NoReturn:
        """Have the present value of doubted tags, whenever there are some. NotConnected, SessionLost."""
        while True:
            await self._begun.wait()
            self._begun.clear()
            await asyncio.sleep(self._settle_s)
            news = self._news(await self._read_silent(session))
            if news:
                await self._drained()
                await publisher.supply(partial(self._still_missing, news))
                _log.info("present values read", url=session.url, tags=len(news))
            self._marks.be_sure()
            self._is_new = False

    async def _read_silent(self, session: Session) -> dict[int, bytes]:
        """The values of the silent tags, however often they must be asked for."""
        while True:
            try:
                return await read_values(session, self._silent(session))
            except (NoAnswer, ServiceFault) as error:  # whether the server lives, its keep-alives say
                _log.warning("present values cannot be read, tried again", url=session.url, reason=str(error))
            await asyncio.sleep(_AGAIN_S)

    def _silent(self, session: Session) -> list[Tag]:
        """Tags that are monitored and have not reported anything."""
        accepted, by_id = self._subscriptions.accepted, self._tags.by_id
        silent = [by_id[i] for i in self._marks.unsure_ids().tolist() if i in accepted and i in by_id]
        return [tag for tag in silent if session.namespaces.has(tag.node)]

    def _news(self, values: Mapping[int, bytes]) -> dict[int, bytes]:
        """What is not known yet: a value with the source time and status of the newest one is that one."""
        if self._is_new or not values:
            return dict(values)
        known: set[int] = set()
        for part in decode_data(together(values), time_ns()):
            same = (self._marks.last[part.tag] == part.time) & (self._marks.status[part.tag] == part.status)
            known |= set(part.tag[same].tolist())
        return {tag_id: value for tag_id, value in values.items() if tag_id not in known}

    async def _drained(self) -> None:
        """Wait until every subscription has told what it had when the values were read: older ones must not follow."""
        read_at = monotonic()
        while any(one.is_behind(read_at) for one in self._subscriptions.by_id.values()):  # noqa: ASYNC110 - cold path
            await asyncio.sleep(_LOOK_S)

    def _still_missing(self, news: Mapping[int, bytes]) -> bytes:
        unsure = set(self._marks.unsure_ids().tolist())
        return together({tag_id: value for tag_id, value in news.items() if tag_id in unsure})


async def read_values(session: Session, tags: Sequence[Tag]) -> dict[int, bytes]:
    """The present values (encoded DataValues) by tag id, read in chunks."""
    values = await in_chunks(tags, session.limits.read, partial(_read, session))
    return {tag.id: value for tag, value in zip(tags, values, strict=True)}


async def _read(session: Session, tags: Sequence[Tag]) -> list[bytes]:
    wanted = [
        ua.ReadValueId(NodeId=session.namespaces.node(tag.node), AttributeId=ua.AttributeIds.Value) for tag in tags
    ]
    parameters = ua.ReadParameters(TimestampsToReturn=ua.TimestampsToReturn.Source, NodesToRead=wanted)
    answer = await session.call(ua.ReadRequest(Parameters=parameters))
    with translated(session.url):
        return separate(read_response(answer))
