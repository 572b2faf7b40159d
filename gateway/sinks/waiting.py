"""A time limit for an answer of a peer."""

from __future__ import annotations

import asyncio
from typing import TypeVar

T = TypeVar("T")


async def within(limit_s: float, answer: asyncio.Future[T]) -> T:
    """The answer. TimeoutError when it takes longer. One timer and nothing else, as every write waits so."""
    timer = answer.get_loop().call_later(limit_s, _give_up, answer)
    try:
        return await answer
    finally:
        timer.cancel()


def _give_up(answer: asyncio.Future[T]) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())
