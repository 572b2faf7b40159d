"""The mail queue: what is queued is sent, tried again, or kept as a dead letter with its reason."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support_rules import Postman, Unreachable, outbox, until

from gateway.contract import GatewayError, NotConnected
from gateway.notify.message import MailRefused, Message
from gateway.notify.queue import MailQueue, after_failure
from gateway.notify.settings import OutboxSettings
from gateway.notify.store import Draft, Waiting
from gateway.status import MailStatus

SOON = {"first_retry_s": 0.001, "refused_retry_s": 0.001}


def draft(key: str = "1", reason: str = "") -> Draft:
    return Draft("restock", "plant/Warehouse/Beans/Level", key, "Beans Inc", "b@example.com", f"S{key}", "T\n", reason)


class Office:
    """A queue that can be closed and opened again over the same file."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.path = folder / "state" / "mail.sqlite"
        self.settings: OutboxSettings = outbox(folder, **(SOON | settings))
        self.status = MailStatus()

    @asynccontextmanager
    async def open(self, postman: Postman, *, sending: bool = True) -> AsyncIterator[MailQueue]:
        queue = await MailQueue.open(self.path, postman, self.settings, self.status)
        sender = asyncio.create_task(queue.run()) if sending else None
        try:
            yield queue
        finally:
            if sender:
                sender.cancel()
                await asyncio.wait({sender})
            await queue.close()
        assert postman.closed

    @property
    def counts(self) -> tuple[int, int, int]:
        return self.status.sent, self.status.waiting, self.status.dead


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


async def test_what_is_queued_is_sent_and_shown(office: Office) -> None:
    postman = Postman()
    async with office.open(postman) as queue:
        await queue.enqueue([draft("1"), draft("2")])
        await until(lambda: office.counts == (2, 0, 0))
    assert [mail.subject for mail in postman.mails] == ["S1", "S2"]
    assert [mail.state for mail in office.status.recent] == ["sent", "sent"]
    shown = office.status.recent[-1]
    assert (shown.rule, shown.to, shown.subject, shown.reason) == ("restock", "Beans Inc <b@example.com>", "S2", "")


async def test_an_occasion_is_mailed_once_for_ever(office: Office) -> None:
    for _ in range(2):
        postman = Postman()
        async with office.open(postman) as queue:
            await queue.enqueue([draft("1"), draft("1")])
            await queue.enqueue([draft("1")])
            await until(lambda: office.counts == (1, 0, 0))
    assert postman.mails == []


async def test_what_waited_at_the_stop_is_sent_after_the_start(office: Office) -> None:
    async with office.open(Postman(), sending=False) as queue:
        await queue.enqueue([draft()])
    assert office.counts == (0, 1, 0)
    office.status = MailStatus()
    postman = Postman()
    async with office.open(postman):
        await until(lambda: office.counts == (1, 0, 0))
    assert len(postman.mails) == 1


async def test_a_mail_is_tried_again_until_the_peer_is_back_and_keeps_its_id(office: Office) -> None:
    postman = Postman(*(NotConnected("nobody answers") for _ in range(5)))
    async with office.open(postman) as queue:
        await queue.enqueue([draft()])
        await until(lambda: office.counts == (1, 0, 0))
    assert postman.tries == 6


async def test_while_the_peer_is_away_the_reason_is_shown(tmp_path: Path) -> None:
    office = Office(tmp_path, first_retry_s=60.0)
    async with office.open(Unreachable()) as queue:
        await queue.enqueue([draft()])
        await until(lambda: bool(office.status.recent and office.status.recent[0].reason))
    assert office.status.recent[0].state == "waiting"
    assert office.status.recent[0].reason == "nobody answers"


async def test_after_the_last_try_a_mail_is_a_dead_letter_with_the_reason(tmp_path: Path) -> None:
    office, postman = Office(tmp_path, attempts=4), Unreachable()
    async with office.open(postman) as queue:
        await queue.enqueue([draft()])
        await until(lambda: office.counts == (0, 0, 1))
    assert postman.tries == 4
    assert office.status.recent[0].reason == "nobody answers"


async def test_a_refused_mail_is_tried_again_and_dies_after_its_last_try_while_others_pass(tmp_path: Path) -> None:
    office = Office(tmp_path, refusals=2)
    postman = Postman(MailRefused("sender not verified"), MailRefused("still not verified"))
    async with office.open(postman) as queue:
        await queue.enqueue([draft("1")])
        await until(lambda: office.counts == (0, 0, 1))
        await queue.enqueue([draft("2")])
        await until(lambda: office.counts == (1, 0, 1))
    assert [mail.reason for mail in office.status.recent] == ["still not verified", ""]


async def test_one_mail_that_must_wait_does_not_hold_the_others_up(tmp_path: Path) -> None:
    office = Office(tmp_path, first_retry_s=60.0)
    postman = Postman(NotConnected("mailbox busy"))
    async with office.open(postman) as queue:
        await queue.enqueue([draft("1"), draft("2")])
        await until(lambda: office.counts == (1, 1, 0))
    assert [mail.subject for mail in postman.mails] == ["S2"]


async def test_a_letter_to_nobody_is_dead_from_the_start_and_survives(office: Office) -> None:
    async with office.open(Postman()) as queue:
        await queue.enqueue([draft(reason="no contact for 'Beans' in suppliers")])
        assert office.counts == (0, 0, 1)
    office.status = MailStatus()
    async with office.open(Postman()):
        assert office.counts == (0, 0, 1)
        assert office.status.recent[0].reason == "no contact for 'Beans' in suppliers"


async def test_mail_and_cause_are_committed_together_or_not_at_all(office: Office) -> None:
    def fails(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE cause (id)")
        raise sqlite3.OperationalError("database or disk is full")

    async with office.open(Postman(), sending=False) as queue:
        with pytest.raises(NotConnected, match="disk is full"):
            await queue.enqueue([draft()], alongside=fails)
        tables = await queue.transaction(lambda c: c.execute("SELECT name FROM sqlite_master").fetchall())
        assert ("cause",) not in tables
        assert office.counts == (0, 0, 0)
        await queue.enqueue([draft()])
        assert office.counts == (0, 1, 0)


async def test_a_mail_in_hand_is_finished_before_the_stop(office: Office) -> None:
    class Slow(Postman):
        begun = asyncio.Event()

        async def send(self, mail: Message) -> None:
            self.begun.set()
            await asyncio.sleep(0.1)
            await super().send(mail)

    postman = Slow()
    async with office.open(postman) as queue:
        await queue.enqueue([draft()])
        await postman.begun.wait()
    assert office.counts == (1, 0, 0)


async def test_a_stop_does_not_wait_for_a_peer_that_hangs(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(Postman):
        begun = asyncio.Event()

        async def send(self, mail: Message) -> None:
            self.begun.set()
            await asyncio.Event().wait()

    monkeypatch.setattr("gateway.notify.queue._LAST_MAIL_S", 0.05)
    postman = Hanging()
    async with asyncio.timeout(2), office.open(postman) as queue:
        await queue.enqueue([draft()])
        await postman.begun.wait()
    office.status = MailStatus()
    async with office.open(Postman()):
        await until(lambda: office.counts == (1, 0, 0))


async def test_a_sent_mail_whose_mark_cannot_be_written_is_not_sent_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.notify.queue._DISK_RETRY_S", 0.01)
    failures = [sqlite3.OperationalError("database or disk is full")] * 3
    real = sqlite3.Connection.execute

    class Stubborn(sqlite3.Connection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            if sql.startswith("UPDATE mail") and failures:
                raise failures.pop()
            return real(self, sql, *args)

    connect: Callable[..., sqlite3.Connection] = sqlite3.connect
    monkeypatch.setattr("sqlite3.connect", lambda *a, **k: connect(*a, factory=Stubborn, **k))
    postman = Postman()
    async with office.open(postman) as queue:
        await queue.enqueue([draft()])
        await until(lambda: office.counts == (1, 0, 0))
    assert postman.tries == 1
    assert failures == []


async def test_sent_mails_are_forgotten_in_time_and_dead_letters_are_not(office: Office) -> None:
    async with office.open(Postman()) as queue:
        await queue.enqueue([draft("1"), draft("2", reason="nobody")])
        await until(lambda: office.counts == (1, 0, 1))
        await queue.transaction(lambda c: c.execute("UPDATE mail SET written = written - 91 * 86400 * 1000000000"))
    async with office.open(Postman()):
        assert office.counts == (0, 0, 1)


async def test_the_page_shows_the_last_hundred_mails(office: Office) -> None:
    async with office.open(Postman(), sending=False) as queue:
        await queue.enqueue([draft(str(i)) for i in range(150)])
    assert [mail.subject for mail in office.status.recent] == [f"S{i}" for i in range(50, 150)]


@pytest.mark.parametrize("content", [b"this is no database, whatever its name says" * 50, None])
async def test_a_file_that_cannot_be_the_queue_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "mail.sqlite"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(GatewayError, match=r"mail\.sqlite cannot be used as mail queue"):
        await MailQueue.open(path, Postman(), outbox(tmp_path), MailStatus())
    if content is not None:
        assert path.read_bytes() == content


async def test_a_closed_queue_says_so(office: Office) -> None:
    async with office.open(Postman(), sending=False) as queue:
        pass
    await queue.close()
    with pytest.raises(NotConnected, match="closed"):
        await queue.enqueue([draft()])


def test_a_failure_counts_tries_and_refusals_apart(tmp_path: Path) -> None:
    settings = outbox(tmp_path, attempts=5, refusals=2, refused_retry_s=300.0)
    message = Message("00", "restock", 0, "n", "n@example.com", "s", "t")
    away = after_failure(Waiting(1, message, 3, 0, 0), NotConnected("away"), settings, 1000, 7.0)
    assert (away.state, away.attempts, away.refusals, away.due) == ("waiting", 4, 0, 1000 + 7_000_000_000)
    assert after_failure(Waiting(1, message, 4, 0, 0), NotConnected("away"), settings, 0, 7.0).state == "dead"
    refused = after_failure(Waiting(1, message, 4, 0, 0), MailRefused("no"), settings, 0, 7.0)
    assert (refused.state, refused.refusals, refused.due) == ("waiting", 1, 300_000_000_000)
    assert after_failure(Waiting(1, message, 0, 1, 0), MailRefused("no"), settings, 0, 7.0).state == "dead"


async def test_another_way_out_is_tried_at_once_by_mails_that_wait(office: Office) -> None:
    away, there = Unreachable(), Postman()
    async with office.open(away) as queue:
        await queue.enqueue([draft()])
        await until(lambda: away.tries >= 1)
        await queue.adjust(there, outbox(office.path.parent, first_retry_s=3600.0))
        await until(lambda: office.counts == (1, 0, 0))
        assert away.closed
        await queue.enqueue([draft("2")])
        await until(lambda: len(there.mails) == 2)
    assert there.closed
