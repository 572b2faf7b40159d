"""An OPC UA server as a source: connected as long as it runs, repaired when it must be, everything into the journal."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, NoReturn

import structlog

from gateway.backoff import delay
from gateway.contract import GatewayError
from gateway.journal import JournalError
from gateway.opcua.backfill import Backfill
from gateway.opcua.current import Current
from gateway.opcua.errors import Changeover, NoAnswer, SubscriptionLost, alone, in_words
from gateway.opcua.event_watch import EventWatch
from gateway.opcua.events import EventReader
from gateway.opcua.granted import granted
from gateway.opcua.identity import Identity
from gateway.opcua.intake import Intake
from gateway.opcua.losses import Losses
from gateway.opcua.marks import EVENTS, Marks
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
    from collections.abc import Coroutine
    from pathlib import Path

    from gateway.journal import Journal
    from gateway.opcua.session import Session
    from gateway.opcua.settings import SourceSettings
    from gateway.status import SourceStatus
    from gateway.values import Tag

_BASE_S = 0.5
_STABLE_S = 10.0  # a connection that held for so long has earned a quick first retry
_TICK_S = 0.5
_JOURNAL_S = 2.0
_REST = 10  # times as long as the last look took

_log = structlog.get_logger(__name__)


class OpcUaSource:
    """One server. `state` is the folder for the client certificate (pki/) and for notes on unfinished history."""

    def __init__(self, settings: SourceSettings, journal: Journal, status: SourceStatus, state: Path) -> None:
        self._settings = settings
        self._journal = journal
        self._status = status
        self._marks = Marks()
        self._intake = Intake(journal, status)
        self._tags = TagSet(settings, journal)
        self._events = EventReader(settings.name, self._on_change, self._tags.types)
        self._conditions = self._brought = Conditions(settings)
        self._takeover = Takeover(settings.name, journal, state / f"{settings.name}.subscriptions.json")
        self._subscriptions = Subscriptions(settings.name, settings.retry_item_s, self._takeover.changed)
        self._pending = PendingFile(state / f"{settings.name}.backfill.json")
        self._losses = Losses(settings.backfill, self._tags, self._marks, self._pending, self._intake)
        self._watch = EventWatch(self._events, self._subscriptions, self._marks, self._losses, self._intake, status)
        self._backfill = Backfill(settings.backfill, self._intake, self._marks, status, self._pending, self._readable)
        self._current = Current(self._tags, self._subscriptions, self._marks)
        self._ladder = Ladder(settings, state / "pki", status)
        self._remembered = False
        self._outage = "the gateway was not running"  # why nothing came; "" while something does
        self._look_at = 0.0  # when the server is to be looked at again, on the monotonic clock
        self._rest_until = 0.0  # looking costs the server something: not earlier because of its own news
        self._is_proven = True  # the subscriptions, where they were taken over, have delivered something since
        self._holes = asyncio.Event()  # history is missing and may be read
        self._overflows = Overflows(
            settings.name,
            self._marks,
            self._pending,
            self._losses.historised,
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
        self._backfill.settings = self._losses.settings = settings.backfill
        self._ladder.change(settings)
        self._look_at = 0.0

    def _on_change(self, *, semantics: bool) -> None:
        """The server says that its nodes are others now, or that their properties are."""
        if semantics:
            self._tags.describe_anew()
        self._look_at = min(self._look_at, max(self._rest_until, monotonic()))

    async def run(self) -> NoReturn:
        """Take values until cancelled. Whatever happens is shown in the status, waited for and repaired."""
        try:
            attempt, trouble = 0, None
            while True:
                began = monotonic()
                trouble = alone(await self._serve(trouble))
                self._outage = self._outage or str(trouble)
                attempt = 1 if monotonic() - began > _STABLE_S else attempt + 1
                await self._ladder.pause(delay(attempt, _BASE_S, self._settings.retry_max_s), trouble)
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
        await recall(self._journal, self._settings.name, tags, self._marks, self._events)
        unfinished = await asyncio.to_thread(self._pending.load)
        for place in (EVENTS, *(tag.id for tag in tags)):
            self._marks.pending[place] = unfinished.get(place, 0)
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
        except Changeover as error:
            _log.warning("changing over to another server", source=self._settings.name, reason=str(error))
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
        await self._tags.prepare(session)
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
            self._losses.cut,
            self._overflows.note,
        )
        tending = self._tend(session, is_new=is_new)
        watching = self._ladder.watch(session)
        try:
            jobs = (publisher.run(), publisher.keep_pace(), session.keep_channel(), tending, self._fill(session))
            await _together(*jobs, self._current.assure(session, publisher), *watching)
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
        self._current.doubt()
        self._subscriptions.take(taken.subscriptions)
        self._marks.admit_ids(self._subscriptions.accepted)
        self._events.types = taken.types
        await self._losses.interrupt(taken.lost)
        return True

    async def _begin_anew(self, session: Session, *, same_session: bool) -> None:
        """Make the stream start afresh, and note first what will be missing from it."""
        await self._takeover.changed()
        self._is_proven = True
        self._losses.cut()
        self._current.doubt()
        await self._losses.note()
        await self._subscriptions.restart(session, self._conditions.base, same_session=same_session)

    async def _tend(self, session: Session, *, is_new: bool) -> NoReturn:
        """Monitor everything that is wanted, and go on looking for what is new or was rejected."""
        await self._bring(session)
        self._current.begin(self._settings.backfill.settle_s)
        if is_new:
            await self._losses.announce(self._outage)
        self._outage = ""
        while True:
            await self._watch.tend(session, self._conditions.base, wanted=self._settings.events)
            await self._look(session)
            while monotonic() < self._look_at:
                self._show_silent()
                await self._takeover.note(self._identity(session))
                await asyncio.sleep(_TICK_S)
                if await self._subscriptions.retry(session):
                    self._show_granted()
                    self._holes.set()

    async def _bring(self, session: Session) -> None:
        """Have every tag monitored as the settings say; what is monitored so already is not touched."""
        self._brought = self._conditions
        wishes = map(self._conditions.wish, self._tags.tags())
        steps = self._subscriptions.compare(wishes, self._conditions.base)
        await self._losses.interrupt(steps.moved)
        await self._subscriptions.carry_out(session, steps)
        await self._losses.announce_interrupted()
        self._show_granted()

    def _identity(self, session: Session) -> Identity:
        return Identity(session.life, tuple(self._subscriptions.by_id.values()), self._watch.types)

    async def _look(self, session: Session) -> None:
        """Have the tags that the server has now, and know when to look again."""
        began, self._look_at = monotonic(), float("inf")
        try:
            changed = await self._tags.browse(session)
        except JournalError as error:
            _log.error("new tags cannot be noted, they wait", source=self._settings.name, reason=str(error))
            self._status.connection.become(self._status.connection.link, str(error))
            self._look_at = monotonic() + _JOURNAL_S
            return
        if changed is not None:
            await self._losses.expect(changed.came)
            await self._bring(session)
            await self._losses.give_up(changed.gone)
        elif self._brought is not self._conditions:
            await self._bring(session)
        self._status.tags, self._status.gone = len(self._tags.by_id), dict(self._tags.gone)
        self._holes.set()
        now = monotonic()
        self._rest_until = now + _REST * (now - began)
        self._look_at = min(self._look_at, now + (self._settings.rebrowse_s or float("inf")))

    async def _fill(self, session: Session) -> NoReturn:
        """Read what is missing from history, whenever something is."""
        while True:
            await self._holes.wait()
            self._holes.clear()
            if len(self._marks.open_ids()):
                await asyncio.sleep(self._settings.backfill.settle_s)
                began = monotonic()
                await self._backfill.run(session)
                await self._watch.fill(session, self._settings.backfill.timeout_s)
                await self._losses.note()
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
        waiting = [i for i in self._marks.waiting_ids() if i in tags and i not in reasons]
        self._status.waiting = {"/".join(tags[i].path): in_words(int(self._marks.status[i])) for i in waiting}
        self._status.overflowing = {
            "/".join(tags[i].path): int(self._marks.overflows[i]) for i in self._marks.overflowing_ids() if i in tags
        }
        self._status.silent = silent | ({"Server (events)": self._watch.refused} if self._watch.refused else {})

    def _show_granted(self) -> None:
        self._status.granted = granted(self._subscriptions.by_id.values())

    def _readable(self) -> list[Tag]:
        accepted = self._subscriptions.accepted
        return [tag for tag in self._losses.historised() if tag.id in accepted]


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
