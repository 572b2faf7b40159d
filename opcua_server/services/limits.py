"""What the server promises to take in one call, and the check of it (OPC 10000-4, 5.1)."""

from __future__ import annotations

from collections.abc import Sized

from asyncua import ua
from asyncua.common.utils import ServiceError

MAX_NODES_PER_CALL = 10_000
MAX_METHODS_PER_CALL = 100
MAX_NODES_PER_HISTORY_READ = 1_000
MAX_BROWSE_POINTS = 10
"""Continuation points of Browse that a session may hold."""
MAX_HISTORY_VALUES = 10_000
"""Values of one node in one answer of HistoryRead; more are had with continuation points."""
MAX_HISTORY_EVENTS = 1_000
"""The same of events."""
MAX_QUEUE = 10_000
"""Entries that a monitored item may queue."""
MIN_PUBLISHING_MS = 50.0
MAX_PUBLISHING_MS = 3_600_000.0
MAX_SESSIONS = 100
MAX_SUBSCRIPTIONS = 500
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
CHUNK_BYTES = 65535


def check_operations(operations: Sized | None, limit: int) -> None:
    """Raise ServiceError for a call that asks nothing or too much."""
    if not operations:
        raise ServiceError(ua.StatusCodes.BadNothingToDo)
    if len(operations) > limit:
        raise ServiceError(ua.StatusCodes.BadTooManyOperations)
