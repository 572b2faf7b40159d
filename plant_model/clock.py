"""SimPy as the clock of a plant whose agenda is data: it can be saved, copied and armed again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import simpy

Handler = Callable[[str], None]


@dataclass(slots=True)
class Entry:
    """What will happen: at `time`, the handler of this name is called with the argument."""

    time: float
    order: int  # rises with every entry ever made; at equal times the earlier made comes first
    handler: str
    argument: str


@dataclass(slots=True)
class Agenda:
    """All that will happen, and what time it is."""

    now: float = 0.0
    order: int = 0
    entries: dict[int, Entry] = field(default_factory=dict)  # by order, which is also their sequence


class Clock:
    """Runs an agenda. A new environment starts at zero, so that restored entries fall due at exactly their times."""

    def __init__(self, agenda: Agenda, handlers: Mapping[str, Handler]) -> None:
        self.agenda = agenda
        self._handlers = handlers
        self._env = simpy.Environment()
        for entry in agenda.entries.values():
            self._arm(entry.time, entry.order)
        if agenda.now > 0.0:
            self._env.run(until=agenda.now)

    @property
    def now(self) -> float:
        """Plant seconds since the epoch."""
        return self.agenda.now

    def schedule(self, delay: float, handler: str, argument: str = "") -> int:
        """Call a handler after `delay` seconds (>= 0); returns the number to cancel it with."""
        agenda = self.agenda
        agenda.order += 1
        agenda.entries[agenda.order] = Entry(agenda.now + delay, agenda.order, handler, argument)
        self._arm(delay, agenda.order)
        return agenda.order

    def note(self) -> None:
        """Count something that happened without being scheduled: who keeps values until the next event looks anew."""
        self.agenda.order += 1

    def cancel(self, order: int) -> None:
        """Take an entry off the agenda; one that is gone is no error."""
        self.agenda.entries.pop(order, None)

    def pending(self, handler: str) -> list[Entry]:
        """What is on the agenda for a handler, in the order it was made."""
        return [entry for entry in self.agenda.entries.values() if entry.handler == handler]

    def run(self, until: float) -> None:
        """Call everything that falls due before `until`, in order, and stand at `until`."""
        if until > self.agenda.now:
            self._env.run(until=until)
            self.agenda.now = until

    def _arm(self, delay: float, order: int) -> None:
        timeout = self._env.timeout(delay, order)
        assert timeout.callbacks is not None  # only a processed event has none
        timeout.callbacks.append(self._fire)

    def _fire(self, timeout: simpy.Event) -> None:
        order = timeout.value
        assert isinstance(order, int)  # as armed
        entry = self.agenda.entries.pop(order, None)
        if entry is not None:
            self.agenda.now = entry.time
            self._handlers[entry.handler](entry.argument)
