"""Delivery: every sink gets everything, at its own speed, whatever happens to it or to others."""

from __future__ import annotations

import asyncio
import tracemalloc
from time import time_ns

from structlog.testing import capture_logs
from support_delivery import QUICK, Served, until
from support_records import draft, tag

from gateway.contract import Catalogue, NotConnected, Rejected
from gateway.journal import Draft, Journal, Kind
from gateway.sinks.memory import MemorySink
from gateway.status import Link
from gateway.store.bodies import gap_body
from gateway.values import Batch, Gap


async def test_values_arrive_in_order_and_are_counted(journal: Journal, serve) -> None:
    served = serve()
    for i in range(50):
        await journal.append([draft(i)])
    await until(lambda: len(served.live) == 50)
    assert served.live == list(range(50))
    assert served.late == []
    assert (served.status.delivered, served.status.behind) == (50, 0)
    assert served.status.connection.link is Link.CONNECTED
    assert served.status.last_delivery > 0


async def test_what_comes_together_goes_together(journal: Journal, serve) -> None:
    served = serve(settings=QUICK.model_copy(update={"flush_ms": 200.0}))
    await until(lambda: served.sink.is_open)
    for i in range(10):
        await journal.append([draft(i)])
    await until(lambda: len(served.live) == 10)
    assert len(served.sink.received) == 1


async def test_where_values_come_alone_none_waits_for_others(journal: Journal, serve) -> None:
    await journal.append([draft(1, received=time_ns() - 100_000_000_000)])
    served = serve(settings=QUICK.model_copy(update={"flush_ms": 60_000.0, "live_s": 1000.0}))
    await until(lambda: served.live == [1])
    await journal.append([draft(2)])
    await until(lambda: served.live == [1, 2])
    await journal.append([draft(3)])
    await until(lambda: served.live == [1, 2, 3])
    await journal.append([draft(4)])
    await asyncio.sleep(0.05)
    assert served.live == [1, 2, 3], "the last two came shortly one after the other, so the next is worth waiting for"


async def test_a_full_batch_does_not_wait_for_its_time(journal: Journal, serve) -> None:
    served = serve(settings=QUICK.model_copy(update={"flush_ms": 60_000.0, "max_batch_bytes": 100}))
    await journal.append([draft(*range(10))])
    await until(lambda: len(served.live) == 10)


async def test_a_batch_has_no_more_values_than_wanted_and_its_notifications_whole(journal: Journal, serve) -> None:
    served = serve(settings=QUICK.model_copy(update={"max_batch_values": 5}))
    await journal.append([draft(*range(2)), draft(*range(2, 4)), draft(*range(4, 6)), draft(*range(6, 16))])
    await until(lambda: len(served.live) == 16)
    assert [len(batch) for batch in served.sink.received] == [4, 2, 10]


async def test_a_dead_sink_does_not_delay_the_others(journal: Journal, serve) -> None:
    hanging, away, alive = MemorySink("hanging"), MemorySink("away"), MemorySink("alive")
    hanging.answering.clear()
    away.away = True
    served = {sink.name: serve(sink) for sink in (hanging, away, alive)}
    for i in range(20):
        await journal.append([draft(i)])
        await until(lambda i=i: len(served["alive"].live) == i + 1)
    assert served["away"].status.behind == 20
    assert served["away"].status.connection.link is Link.WAITING
    assert "away" in served["away"].status.connection.reason


async def test_after_a_long_absence_live_values_come_first_and_the_backlog_in_order(journal: Journal, serve) -> None:
    sink = MemorySink()
    sink.away = True
    served = serve(sink, QUICK.model_copy(update={"live_s": 30.0, "max_batch_bytes": 60}))
    long_ago = time_ns() - 60_000_000_000
    await journal.append([draft(i, received=long_ago) for i in range(100)])
    sink.away = False
    await until(lambda: len(served.late) >= 1)
    for i in range(100, 110):
        await journal.append([draft(i)])
        await until(lambda i=i: i in served.live)
    await until(lambda: served.status.behind == 0)
    assert served.live == list(range(100, 110))
    assert served.late == list(range(100))


async def test_a_short_absence_leaves_the_values_live_and_in_order(journal: Journal, serve) -> None:
    served = serve()
    await journal.append([draft(1)])
    await until(lambda: served.live == [1])
    served.sink.away = True
    await journal.append([draft(2)])
    await until(lambda: served.status.retries > 2)
    await journal.append([draft(3)])
    served.sink.away = False
    await until(lambda: served.live == [1, 2, 3])
    assert served.late == []
    assert served.status.connection.connects == 2


async def test_while_live_values_wait_the_backlog_gets_its_share_and_no_more(journal: Journal, serve) -> None:
    sink = MemorySink()
    sink.away = True
    served = serve(sink, QUICK.model_copy(update={"live_s": 30.0, "max_batch_bytes": 3000, "flush_ms": 0.0}))
    long_ago = time_ns() - 60_000_000_000
    await journal.append([draft(*range(100), received=long_ago) for _ in range(100)])
    sink.away = False
    await until(lambda: len(sink.received) > 0)
    sink.answering.clear()
    await journal.append([draft(*range(100)) for _ in range(100)])
    sink.received.clear()
    sink.answering.set()
    await until(lambda: len(served.live) == 10_000)
    order = [batch.historical for batch in sink.received]
    beside_live = order[: len(order) - order[::-1].index(False)]
    assert 0.2 <= sum(beside_live) / len(beside_live) <= 0.3


async def test_values_read_from_history_do_not_make_live_values_wait(journal: Journal, serve) -> None:
    sink = MemorySink()
    sink.answering.clear()
    served = serve(sink)
    await journal.append([draft(0)])
    await journal.append([draft(i, historical=True) for i in range(100, 120)])
    await journal.append([draft(1)])
    sink.answering.set()
    await until(lambda: served.status.behind == 0)
    assert served.live == [0, 1]
    assert served.late == list(range(100, 120))


async def test_exactly_the_refused_values_are_skipped(journal: Journal, serve) -> None:
    tags = await journal.adopt("plant", [tag(name="Good"), tag(name="Bad")])
    served = serve()
    served.sink.refused = {tags[1].id}
    drafts = [draft(i, tag=tags[i % 2].id) for i in range(20)]
    await journal.append(drafts)
    await until(lambda: served.status.behind == 0)
    assert served.live == list(range(0, 20, 2))
    assert (served.status.delivered, served.status.rejected) == (10, 10)
    assert served.status.refused == {"Machines/Line1/Components/Conching/Process/Bad": "refused tag"}


async def test_a_refused_value_is_counted_once_even_if_the_peer_leaves_in_between(journal: Journal, serve) -> None:
    class Leaving(MemorySink):
        async def write(self, batch: Batch) -> None:
            if not any(2 in column.tag for column in batch.columns) and not self.received:
                self.received.append(Batch((), (), (), 0))
                raise NotConnected("left")
            await super().write(batch)

    served = serve(Leaving())
    served.sink.refused = {2}
    await journal.append([draft(1, tag=1), draft(2, tag=2)])
    await until(lambda: served.status.behind == 0)
    assert served.live == [1]
    assert served.status.rejected == 1


async def test_a_sink_that_refuses_what_it_was_not_given_is_named_as_defect_and_tried_again(
    journal: Journal, serve
) -> None:
    class Confused(MemorySink):
        async def write(self, batch: Batch) -> None:
            if not self.received:
                self.received.append(Batch((), (), (), 0))
                raise Rejected([7], "no")
            await super().write(batch)

    served = serve(Confused())
    await journal.append([draft(1)])
    await until(lambda: served.live == [1])
    assert served.status.retries == 1


async def test_a_defect_of_one_sink_is_said_and_nobody_else_suffers(journal: Journal, serve) -> None:
    class Broken(MemorySink):
        async def write(self, batch: Batch) -> None:
            raise ZeroDivisionError("oops")

    broken, fine = serve(Broken("broken")), serve(MemorySink("fine"))
    await journal.append([draft(1)])
    await until(lambda: fine.live == [1])
    await until(lambda: broken.status.retries > 1)
    assert "defect" in broken.status.connection.reason
    assert broken.status.behind == 1


async def test_a_peer_that_never_answers_is_away(journal: Journal, serve) -> None:
    sink = MemorySink()
    sink.answering.clear()
    served = serve(sink, QUICK.model_copy(update={"timeout_s": 0.05}))
    await journal.append([draft(1)])
    await until(lambda: served.status.retries > 1)
    sink.answering.set()
    await until(lambda: served.live == [1])


async def test_a_slow_peer_gets_a_large_record_through(journal: Journal, serve) -> None:
    class Slow(MemorySink):
        async def write(self, batch: Batch) -> None:
            await asyncio.sleep(len(batch) / 50_000)
            await super().write(batch)

    served = serve(Slow(), QUICK.model_copy(update={"timeout_s": 0.05}))
    await journal.append([draft(*range(5_000))])
    await until(lambda: len(served.live) == 5_000)
    assert served.status.retries == 0


async def test_events_and_gaps_come_with_their_place(journal: Journal, serve) -> None:
    served = serve()
    gap = Gap(0, "plant", (1, 2), 10, 20, "server restarted")
    await journal.append([draft(1), Draft(Kind.GAP, "plant", gap_body(gap))])
    await until(lambda: any(batch.gaps for batch in served.sink.received))
    found = [gap for batch in served.sink.received for gap in batch.gaps]
    assert found == [Gap(2 << 20, "plant", (1, 2), 10, 20, "server restarted")]
    assert served.status.delivered == 1


async def test_a_restart_goes_on_where_the_sink_was(open_journal) -> None:
    journal = await open_journal()
    first = Served(MemorySink(), journal, QUICK)
    await journal.append([draft(1)])
    await until(lambda: first.live == [1])
    await first.stop()
    await journal.append([draft(2)])
    await journal.close()
    journal = await open_journal()
    second = Served(MemorySink(), journal, QUICK)
    await until(lambda: second.live == [2])
    assert second.status.behind == 0
    await second.stop()


async def test_stopping_lets_a_running_write_finish(journal: Journal, serve) -> None:
    sink = MemorySink()
    sink.answering.clear()
    served = serve(sink)
    await journal.append([draft(1)])
    await until(lambda: sink.is_open)
    await asyncio.sleep(0.02)
    stopping = asyncio.create_task(served.stop())
    await asyncio.sleep(0.02)
    sink.answering.set()
    await stopping
    assert served.task.cancelled()
    assert served.status.behind == 0
    assert served.live == [1]
    assert not sink.is_open
    assert served.status.connection.link is Link.STOPPED


async def test_stopping_abandons_a_write_that_hangs_within_a_second(journal: Journal, serve) -> None:
    sink = MemorySink()
    sink.answering.clear()
    served = serve(sink)
    await journal.append([draft(1)])
    await asyncio.sleep(0.05)
    async with asyncio.timeout(1.3):
        await served.stop()
    assert served.status.behind == 1


async def test_a_sink_that_raises_when_it_is_closed_stops_all_the_same(journal: Journal, serve) -> None:
    class Stubborn(MemorySink):
        async def close(self) -> None:
            raise OSError("no")

    served = serve(Stubborn())
    await until(lambda: served.sink.is_open)
    await served.stop()
    assert served.status.connection.link is Link.STOPPED


async def test_a_new_sink_gets_what_is_kept(journal: Journal, serve) -> None:
    await journal.append([draft(1), draft(2)])
    served = serve(MemorySink("late"))
    await until(lambda: served.live == [1, 2])


async def test_values_from_a_clock_that_was_set_back_are_not_held_back(journal: Journal, serve) -> None:
    served = serve(settings=QUICK.model_copy(update={"flush_ms": 50.0}))
    await journal.append([draft(1, received=time_ns() + 3_600_000_000_000)])
    await until(lambda: served.live == [1])


async def test_an_absent_peer_is_called_again_with_growing_pauses(journal: Journal, serve, monkeypatch) -> None:
    asked: list[int] = []

    def delay(attempt: int, base_s: float, cap_s: float) -> float:
        asked.append(attempt)
        return 0.001

    monkeypatch.setattr("gateway.delivery.delay", delay)

    sink = MemorySink()
    sink.away = True
    served = serve(sink)
    await until(lambda: len(asked) >= 4)
    assert asked[:4] == [1, 2, 3, 4]
    sink.away = False
    await journal.append([draft(1)])
    await until(lambda: served.live == [1])
    sink.away = True
    asked.clear()
    await journal.append([draft(2)])
    await until(lambda: len(asked) >= 1)
    assert asked[0] == 1


async def test_a_sink_that_stays_away_is_logged_once_for_each_reason(journal: Journal, serve) -> None:
    class Moody(MemorySink):
        reason = "nobody answers"

        async def open(self, tags: Catalogue) -> None:
            raise NotConnected(self.reason)

    with capture_logs() as logs:
        served = serve(Moody())
        await until(lambda: served.status.retries > 3)
        served.sink.reason = "it refuses"
        await until(lambda: served.status.connection.reason == "it refuses")
        before = served.status.retries
        await until(lambda: served.status.retries > before + 3)
    assert [line["reason"] for line in logs if "is away" in line["event"]] == ["nobody answers", "it refuses"]


async def test_memory_stays_bounded_while_a_sink_is_away(open_journal) -> None:
    journal = await open_journal(recent_bytes=1_000_000)
    sink = MemorySink()
    sink.away = True
    served = Served(sink, journal, QUICK)
    large = draft(*range(1000))
    tracemalloc.start()
    for _ in range(100):
        await journal.append([large] * 10)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert served.status.behind == 1_000_000
    assert held < 4_000_000, f"{held} bytes held for 22 MB in the journal"
    await served.stop()


async def test_a_sink_that_is_far_behind_holds_one_batch_at_a_time(open_journal) -> None:
    journal = await open_journal(recent_bytes=0)
    await journal.append([draft(*range(1000)) for _ in range(500)])
    sizes: list[int] = []

    class Counting(MemorySink):
        async def write(self, batch: Batch) -> None:
            sizes.append(len(batch))

    served = Served(Counting(), journal, QUICK.model_copy(update={"max_batch_bytes": 100_000}))
    await until(lambda: served.status.connection.connects > 0 and served.status.behind == 0)
    assert sum(sizes) == 500_000
    assert max(sizes) <= 100_000 // 22
    await served.stop()
