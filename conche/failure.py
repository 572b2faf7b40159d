"""Failures that a person at the terminal can mend: one clear text and an exit code."""

from __future__ import annotations

FAILED = 1
MISUSED = 2


class Failure(Exception):  # noqa: N818 - a result of a command, named as users know it
    """Ends a command with a text on stderr. Exit code 1: it did not work; 2: settings or arguments are wrong."""

    def __init__(self, text: str, code: int = FAILED) -> None:
        super().__init__(text)
        self.code = code
