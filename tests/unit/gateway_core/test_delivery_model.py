"""Whatever happens in whatever order, every value that the journal took is at the sink in the end, in order by lane."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from itertools import pairwise
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from support_records import draft, values

from gateway.delivery import Delivery, DeliverySettings
from gateway.journal import Draft, Journal, JournalSettings
from gateway.sinks.memory import MemorySink
from gateway.status import JournalStatus, SinkStatus

QUICK = DeliverySettings(flush_ms=1, live_s=0.01, max_batch_bytes=100, backoff_base_s=0.001, backoff_cap_s=0.002)
KEPT = JournalSettings(recent_bytes=1000)


class World(RuleBasedStateMachine):
    """A journal and a sink whose peer outlives every crash of the gateway."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())
        self.runs = 0
        self.appended = 0
        self.sink = MemorySink()
        self.runner.run(self.start())

    async def start(self) -> None:
        path = self.folder / str(self.runs) / "journal.sqlite"
        self.journal = await Journal.open(path, KEPT, JournalStatus())
        self.status = SinkStatus("memory")
        self.began = len(self.sink.received)
        self.task = asyncio.create_task(Delivery(self.sink, self.journal, self.status, QUICK).run())

    async def stored(self, drafts: list[Draft]) -> None:
        await self.journal.append(drafts)

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})
        await self.journal.close()
        for historical in (False, True):
            batches = [b for b in self.sink.received[self.began :] if b.historical is historical]
            found = values(batches)
            assert all(a < b for a, b in pairwise(found)), "values of a lane came out of order"

    @rule(count=st.integers(1, 5), size=st.integers(1, 3), historical=st.booleans())
    def append(self, count: int, size: int, historical: bool) -> None:
        drafts = []
        for _ in range(count):
            drafts.append(draft(*range(self.appended, self.appended + size), historical=historical))
            self.appended += size
        self.runner.run(self.stored(drafts))

    @rule(away=st.booleans())
    def peer_leaves_or_returns(self, away: bool) -> None:
        self.sink.away = away

    @rule(ms=st.sampled_from([0, 1, 5, 20]))
    def time_passes(self, ms: int) -> None:
        self.runner.run(asyncio.sleep(ms / 1000))

    @rule()
    def progress_is_saved(self) -> None:
        self.runner.run(self.journal.save())

    @rule()
    def gateway_is_restarted(self) -> None:
        self.runner.run(self.stop())
        self.runner.run(self.start())

    @rule()
    def gateway_is_killed(self) -> None:
        """The disk as it is at this moment is all that is left."""
        before, self.runs = self.folder / str(self.runs), self.runs + 1
        after = self.folder / str(self.runs)
        after.mkdir()
        for name in ("journal.sqlite", "journal.sqlite-wal"):
            shutil.copy(before / name, after / name)
        self.runner.run(self.stop())
        self.runner.run(self.start())

    def teardown(self) -> None:
        self.sink.away = False
        self.runner.run(self.finish())
        self.runner.close()
        shutil.rmtree(self.folder)
        assert set(values(self.sink.received)) == set(range(self.appended))

    async def finish(self) -> None:
        async with asyncio.timeout(10):
            while self.status.connection.connects == 0 or self.status.behind:
                await asyncio.sleep(0.001)
        await self.stop()


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=25, stateful_step_count=25)
