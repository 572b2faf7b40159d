"""What the page looks at: the doors through which the gateway hands it everything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.contract import Catalogue
from gateway.health import UP
from gateway.naming import Naming
from gateway.sinks.latest import Latest, Value
from gateway.status import Status
from gateway.values import Tag


class Series(Protocol):
    """The course of one tag, down-sampled: arrays of equal length, by rising time."""

    @property
    def time(self) -> NDArray[np.int64]:
        """Unix nanoseconds."""
        ...

    @property
    def low(self) -> NDArray[Any]:
        """The smallest value of each stretch; NaN where there is no good one."""
        ...

    @property
    def high(self) -> NDArray[Any]:
        """The largest value of each stretch."""
        ...

    @property
    def last(self) -> NDArray[Any]:
        """The value at the end of each stretch, in the type of the tag."""
        ...

    @property
    def status(self) -> NDArray[np.uint32]:
        """Of the value at the end: where it is bad, `last` means nothing."""
        ...


Query = Callable[[int, int, int, int], Awaitable[Series]]
"""(tag id, start, end in Unix nanoseconds, at most how many points) -> Series. Raises GatewayError."""


@dataclass(frozen=True, slots=True)
class View:
    """The gateway as the page sees it. Everything is read in the event loop, nothing is changed."""

    status: Status
    catalogue: Catalogue
    naming: Naming
    latest: Latest
    trend: Query | None = None  # None = no historian, no trends

    def is_away(self, tag: Tag) -> bool:
        """Whether the server of a tag is away: its latest value is its last word, not the present."""
        source = self.status.sources.get(tag.source)
        return source is not None and source.connection.link not in UP

    def present(self, tag: Tag) -> Value | None:
        """What a tag shows at this moment; None where that is not known."""
        return None if self.is_away(tag) else self.latest.get(tag.id)
