"""A mail, and how it fares in the queue before a way out."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from support_rules import outbox, until

from gateway.notify.message import Message
from gateway.notify.queue import MailQueue
from gateway.notify.ses import Ses
from gateway.notify.smtp import Smtp
from gateway.notify.store import Draft
from gateway.status import MailStatus

MAIL = Message("0123abcd", "restock", 10**18, "Beans & Co", "b@example.com", "Grüße", "Bitte liefern\n.\nEnde\n")
DRAFT = Draft("restock", "plant/Beans", "1", "Beans & Co", "b@example.com", "Grüße", "Bitte liefern\n")


async def delivered(notifier: Smtp | Ses, folder: Path, **settings: Any) -> MailStatus:
    """Queue one mail, and the status when it is sent or dead."""
    status = MailStatus()
    soon = outbox(folder, first_retry_s=0.001, refused_retry_s=0.001, **settings)
    queue = await MailQueue.open(folder / "mail.sqlite", notifier, soon, status)
    sender = asyncio.create_task(queue.run())
    try:
        await queue.enqueue([DRAFT])
        await until(lambda: status.sent + status.dead == 1, seconds=15)
    finally:
        sender.cancel()
        await asyncio.wait({sender})
        await queue.close()
    return status
