"""Mails as files: one `.eml` a mail, complete from the moment it is seen."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

from gateway.contract import NotConnected
from gateway.notify.message import Message, compose
from gateway.notify.settings import OutboxSettings


class Outbox:
    """Writes mails into a folder. The same mail always gets the same name, so a second try makes no second file."""

    def __init__(self, settings: OutboxSettings) -> None:
        self._settings = settings

    async def send(self, mail: Message) -> None:
        """Return when the file is on the disk. NotConnected while it cannot be written."""
        whole = compose(mail, self._settings.sender, self._settings.reply_to).as_bytes()
        folder = self._settings.folder
        try:
            await asyncio.to_thread(write_atomically, folder / file_name(mail), whole)
        except OSError as error:
            raise NotConnected(f"the outbox {folder} cannot be written: {error}") from error

    async def close(self) -> None:
        """Nothing is held."""


def file_name(mail: Message) -> str:
    """`20260301T120005Z-restock-0123456789ab.eml`: in the order of time, and unique."""
    written = datetime.fromtimestamp(mail.time // 1_000_000_000, UTC)
    return f"{written:%Y%m%dT%H%M%SZ}-{mail.rule}-{mail.id[:12]}.eml"


def write_atomically(path: Path, content: bytes) -> None:
    """The whole file under its name, or nothing. OSError where it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
