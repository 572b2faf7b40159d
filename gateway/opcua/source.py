"""An OPC UA server as a source: connected as long as it runs, repaired when it must be, everything into the journal."""

from __future__ import annotations

import asyncio
from time import monotonic, time_ns
from typing import TYPE_CHECKING, NoReturn

import structlog

from gateway.backoff import delay
from gateway.contract import GatewayError
from gateway.journal import JournalError
from gateway.opcua.backfill import Backfill
from gateway.opcua.errors import NoAnswer, ServiceFault, SubscriptionLost, in_words
from gateway.opcua.events import EventReader, find_event_types, monitor_events
from gateway.opcua.granted import granted
from gateway.opcua.identity import Identity
from gateway.opcua.intake import Intake
from gateway.opcua.marks import Marks
from gateway.opcua.overflow import Overflows
from gateway.opcua.pending import PendingFile
from gateway.opcua.publish import Publisher
from gateway.opcua.recall import recall
from gateway.opcua.repair import Ladder, Rung
from gateway.opcua.subscription import Subscriptions
from gateway.opcua.tags import TagSet
from gateway.opcua.takeover import Takeover
from gateway.opcua.terms import Conditions
from gateway.status import Link

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Sequence
    from pathlib import Path

    from gateway.journal import Journal
    from gateway.naming import Naming
    from gateway.opcua.session import Session
    from gateway.opcua.settings import SourceSettings
    from gateway.status import SourceStatus
    from gateway.values import Tag

_BASE_S = 0.5
_STABLE_S = 10.0  # a connection that held for so long has earned a quick first retry
_TICK_S = 0.5
_JOURNAL_S = 2.0
_SECOND = 1_000_000_000

_log = structlog.get_logger(__name__)


class OpcUaSource:
    """One server. `state` is the folder for the client certificate (pki/) and for notes on unfinished history."""

    def __init__(
        self, settings: SourceSettings, journal: Journal, naming: Naming, status: SourceStatus, state: Path
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._status = status
        self._marks = Marks()
        self._intake = Intake(journal, status)
        self._events = EventReader(settings.name)
        self._tags = TagSet(settings, journal, naming)
        self._conditions = Conditions(settings)
        self._takeover = Takeover(settings.name, journal, state / f"{settings.name}.subscriptions.json")
        self._subscriptions = Subscriptions(settings.name, settings.retry_item_s, self._takeover.changed)
        self._pending = PendingFile(state / f"{settings.name}.backfill.json")
        self._backfill = Backfill(settings.backfill, self._intake, self._marks, status, self._pending, self._readable)
        self._ladder = Ladder(settings, state / "pki")
        self._events_refused = ""
        self._interrupted: set[int] = set()  # tags that missed something because their item had to be made anew
        self._remembered = False
        self._is_stale = False  # the server is to be looked at again at once
        self._is_proven = True  # the subscriptions, where they were taken over, have delivered something since
        self._holes = asyncio.Event()  # history is missing and may be read
        self._overflows = Overflows(
            settings.name,
            self._marks,
            self._pending,
            lambda: self._historised(self._tags.tags()),
            self._holes.set,
        )

    def change(self, settings: SourceSettings) -> None:
        """Go on with these settings, connected or not. What they leave as it is goes on without a missing value.

        For settings that is_same_session() allows; with others a source must be made anew. Tags that are wanted or
        unwanted now come and leave, items and subscriptions are modified where they are, within a second.
        """
        self._settings = settings
        self._tags.select(settings)
        self._conditions = Conditions(settings)
        self._subscriptions.retry_s = settings.retry_item_s
        self._backfill.settings = settings.backfill
        self._ladder.settings = settings
        self._is_stale = True

    def rename(self, naming: Naming) -> None:
        """Have every tag named by this, as soon as the server can be looked at."""
        self._tags.rename(naming)
        self._is_stale = True

    async def run(self) -> NoReturn:
        """Take values until cancelled. Whatever happens is shown in the status, waited for and repaired."""
        try:
            attempt, trouble = 0, None
            while True:
                began = monotonic()
                trouble = await self._serve(trouble)
                attempt = 1 if monotonic() - began > _STABLE_S else attempt + 1
                await asyncio.sleep(delay(attempt, _BASE_S, self._settings.retry_max_s))
        finally:
            await self._leave()
            self._status.connection.become(Link.STOPPED)

    async def _leave(self) -> None:
        """End in good order: a server that is there deletes the subscriptions."""
        if self._status.connection.link is not Link.WAITING:
            await self._takeover.changed()
        await self._ladder.close()

    async def _remember(self) -> None:
        """What the last run left: tags, how far the journal is with them, history that was not finished."""
        tags = self._tags.tags()
        self._marks.admit(tags)
        await recall(self._journal, self._settings.name, tags, self._marks)
        unfinished = await asyncio.to_thread(self._pending.load)
        for tag in tags:
            self._marks.pending[tag.id] = unfinished.get(tag.id, 0)
        self._status.tags = len(tags)
        self._remembered = True

    async def _serve(self, trouble: GatewayError | None) -> GatewayError:
        """Connect, deliver until something breaks, and say what."""
        try:
            if not self._remembered:
                await self._remember()
            await self._deliver(trouble)
        except SubscriptionLost as error:
            _log.warning("subscription lost", source=self._settings.name, reason=str(error))
            return error
        except GatewayError as error:
            reason: GatewayError = error
        except Exception as error:  # noqa: BLE001 - a source never ends by itself; logged with its traceback
            _log.exception("unexpected, the source begins anew", source=self._settings.name)
            reason = GatewayError(f"unexpected: {type(error).__name__}: {error}")
        self._ladder.drop_link()
        if self._status.connection.link is not Link.WAITING or self._status.connection.reason != str(reason):
            _log.warning("not connected", source=self._settings.name, reason=str(reason))
        self._status.connection.become(Link.WAITING, str(reason))
        return reason

    async def _deliver(self, trouble: GatewayError | None) -> NoReturn:
        began = monotonic()
        session, rung = await self._ladder.climb(trouble)
        self._status.connection.become(Link.REPAIRING, f"{rung}: subscribing")
        rung = await self._subscribe(session, rung, trouble)
        self._status.repaired(rung.value, monotonic() - began)
        is_new = rung in {Rung.RECREATE, Rung.RENEW}
        publisher = Publisher(
            session,
            self._subscriptions,
            self._intake,
            self._marks,
            self._events,
            self._status,
            self._cut,
            self._overflows.note,
        )
        tending = self._tend(session, is_new=is_new, after=str(trouble or "the gateway was not running"))
        try:
            await _together(publisher.run(), session.keep_channel(), tending, self._fill(session))
        finally:
            self._is_proven |= publisher.has_heard

    async def _subscribe(self, session: Session, rung: Rung, trouble: GatewayError | None) -> Rung:
        """Have subscriptions in this session: those that are there if it can be. The rung that holds."""
        if isinstance(trouble, NoAnswer) and not self._is_proven:
            self._takeover.distrust()
            rung = Rung.RECREATE if rung is Rung.REACTIVATE else rung
        if rung is Rung.REACTIVATE and self._subscriptions.by_id:
            return rung
        if rung is Rung.RENEW and await self._take_over(session):
            return Rung.TRANSFER
        await self._begin_anew(session, same_session=rung is not Rung.RENEW)
        return rung

    async def _take_over(self, session: Session) -> bool:
        """Go on with the subscriptions of before, if the server transfers them.

        A process that is new wants all current values: nobody in it knows those that do not change.
        """
        taken = await self._takeover.take(session, initial_values=not self._subscriptions.by_id)
        if taken is None:
            return False
        self._is_proven = False
        self._subscriptions.take(taken.subscriptions)
        self._marks.admit_ids(self._subscriptions.accepted)
        self._events.types = taken.types
        await self._interrupt(taken.lost)
        return True

    async def _begin_anew(self, session: Session, *, same_session: bool) -> None:
        """Make the stream start afresh, and note first what will be missing from it."""
        await self._takeover.changed()
        self._is_proven = True
        self._cut()
        await self._pending.save(self._marks.pending, at_once=True)
        await self._subscriptions.restart(session, self._conditions.base, same_session=same_session)

    def _cut(self) -> None:
        self._marks.lose()
        self._marks.cut(self._historised(self._tags.tags()), self._first_history())

    async def _tend(self, session: Session, *, is_new: bool, after: str) -> NoReturn:
        """Monitor everything that is wanted, and go on looking for what is new or was rejected."""
        await self._bring(session)
        if is_new:
            await self._announce_loss(after)
        while True:
            self._is_stale = False
            await self._watch_events(session)
            until = monotonic() + await self._browse(session)
            while monotonic() < until and not self._is_stale:
                self._show_silent()
                await self._takeover.note(self._identity(session))
                await asyncio.sleep(_TICK_S)
                if await self._subscriptions.retry(session):
                    self._show_granted()
                    self._holes.set()

    async def _bring(self, session: Session) -> None:
        """Have every tag monitored as the settings say; what is monitored so already is not touched."""
        wishes = map(self._conditions.wish, self._tags.tags())
        steps = self._subscriptions.compare(wishes, self._conditions.base)
        await self._interrupt(steps.moved)
        await self._subscriptions.carry_out(session, steps)
        await self._announce_interrupted()
        self._show_granted()

    async def _interrupt(self, tag_ids: Collection[int]) -> None:
        """Note what these tags will miss until they are monitored again."""
        tags = [self._tags.by_id[tag_id] for tag_id in tag_ids if tag_id in self._tags.by_id]
        with_history = self._historised(tags)
        self._marks.cut(with_history, 0)
        self._interrupted |= {tag.id for tag in tags} - {tag.id for tag in with_history}
        await self._pending.save(self._marks.pending, at_once=bool(with_history))

    async def _announce_interrupted(self) -> None:
        """Say what of these tags nobody can give."""
        known = [tag_id for tag_id in self._interrupted if self._marks.last[tag_id]]
        self._interrupted.clear()
        if known:
            since = min(int(self._marks.last[tag_id]) for tag_id in known)
            await self._intake.announce(known, since, time_ns(), "no history to read what was missed: monitored anew")

    def _identity(self, session: Session) -> Identity:
        return Identity(session.life, tuple(self._subscriptions.by_id.values()), self._events.types)

    async def _announce_loss(self, after: str) -> None:
        """Say what was lost of the tags that have no history to read it from."""
        since, self._marks.lost_since = self._marks.lost_since, 0
        has_history = {tag.id for tag in self._historised(self._tags.tags())}
        lost = [tag.id for tag in self._tags.tags() if tag.id not in has_history and self._marks.last[tag.id]]
        if since and lost:
            await self._intake.announce(lost, since, time_ns(), f"no history to read what was missed: {after}")

    async def _watch_events(self, session: Session) -> None:
        """Have a subscription for the events of the Server object, or none if they are not wanted."""
        here = [one.id for one in self._subscriptions.by_id.values() if one.events]
        self._events_refused = ""
        if here and not self._settings.events:
            await self._subscriptions.end(session, here)
        if here or not self._settings.events:
            return
        try:
            made = await self._subscriptions.create(session, self._conditions.base, events=True)
        except ServiceFault as fault:
            self._events_refused = str(fault)
            return
        self._events.types = await find_event_types(session)
        self._events_refused = await monitor_events(session, made.id, self._events.types)
        if self._events_refused:
            await self._subscriptions.end(session, [made.id])

    async def _browse(self, session: Session) -> float:
        """Have the tags that the server has now. In how many seconds to look again."""
        try:
            changed = await self._tags.browse(session)
        except JournalError as error:
            _log.error("new tags cannot be noted, they wait", source=self._settings.name, reason=str(error))
            self._status.connection.become(self._status.connection.link, str(error))
            return _JOURNAL_S
        self._marks.admit(changed.came)
        self._marks.cut(self._historised(changed.came), self._first_history())
        await self._pending.save(self._marks.pending, at_once=bool(changed.came))
        await self._bring(session)
        await self._give_up_history(changed.gone)
        self._status.tags, self._status.gone = len(self._tags.by_node), dict(self._tags.gone)
        self._holes.set()
        return self._settings.rebrowse_s or float("inf")

    async def _give_up_history(self, gone: Sequence[Tag]) -> None:
        """Say what was still to be read of tags that the server has removed."""
        holes = [tag.id for tag in gone if self._marks.pending[tag.id]]
        if holes:
            since = min(int(self._marks.pending[tag_id]) for tag_id in holes)
            reason = "the server removed the node before its history was read"
            await self._intake.announce(holes, since, time_ns(), reason)
            self._marks.pending[holes] = 0

    async def _fill(self, session: Session) -> NoReturn:
        """Read what is missing from history, whenever something is."""
        while True:
            await self._holes.wait()
            self._holes.clear()
            if len(self._marks.open_ids()):
                await asyncio.sleep(self._settings.backfill.settle_s)
                began = monotonic()
                await self._backfill.run(session)
                self._status.repaired("history", monotonic() - began)
            if self._status.connection.link is Link.REPAIRING:
                self._status.connection.become(Link.CONNECTED)

    def _show_silent(self) -> None:
        """List every tag that does not deliver, with the reason."""
        tags = self._tags.by_id
        reasons = dict.fromkeys(self._marks.quiet_ids(), "no value came yet")
        reasons |= {i: in_words(int(self._marks.status[i])) for i in self._marks.bad_ids()}
        reasons |= {i: rejection.reason for i, rejection in self._subscriptions.rejected.items()}
        silent = {"/".join(tags[i].path): reason for i, reason in reasons.items() if i in tags}
        self._status.overflowing = {
            "/".join(tags[i].path): int(self._marks.overflows[i]) for i in self._marks.overflowing_ids() if i in tags
        }
        self._status.silent = silent | ({"Server (events)": self._events_refused} if self._events_refused else {})

    def _show_granted(self) -> None:
        self._status.granted = granted(self._subscriptions.by_id.values())

    def _historised(self, tags: Sequence[Tag]) -> list[Tag]:
        return [tag for tag in tags if tag.historised and self._settings.backfill.enabled]

    def _readable(self) -> list[Tag]:
        accepted = self._subscriptions.accepted
        return [tag for tag in self._historised(self._tags.tags()) if tag.id in accepted]

    def _first_history(self) -> int:
        back = self._settings.backfill.first_history_s
        return time_ns() - round(back * _SECOND) if back else 0


async def _together(*jobs: Coroutine[None, None, NoReturn]) -> NoReturn:
    """Run jobs that do not end by themselves until one fails; its error is raised, the others are cancelled."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    raise AssertionError("a job ended by itself")
