"""What a peer will never take: counted, shown by browse path, logged once, and not offered again."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import structlog

from gateway.contract import Catalogue, Rejected
from gateway.records import without
from gateway.status import SinkStatus
from gateway.values import Batch

log = structlog.get_logger(__name__)

_SHOWN = 100  # browse paths kept in the status
_SAID = 5  # browse paths in one line of the log


class Refusals:
    """The refused positions of batches that are not yet through."""

    def __init__(self, status: SinkStatus, catalogue: Catalogue) -> None:
        self._status, self._catalogue = status, catalogue
        self._positions: set[int] = set()
        self._logged: set[str] = set()  # browse paths; a later reason is in the status only

    def take(self, batch: Batch, refusal: Rejected) -> Batch:
        """Note the refusal; returns the batch without what was refused. RuntimeError if that changes nothing."""
        rest = without(batch, refusal.positions)
        refused = len(batch) - len(rest)
        if not refused:
            raise RuntimeError(f"{self._status.name} refuses positions that it was not given: {refusal.reason}")
        self._positions.update(refusal.positions)
        self._status.rejected += refused
        self._show(_paths(batch, refusal.positions, self._catalogue), refused, refusal.reason)
        return rest

    def spare(self, batch: Batch) -> Batch:
        """The batch without what was refused in an earlier attempt."""
        return without(batch, self._positions) if self._positions else batch

    def forget(self, first: int, last: int) -> None:
        """Positions from first to last are settled."""
        if self._positions:
            self._positions = {position for position in self._positions if not first <= position <= last}

    def _show(self, paths: list[str], count: int, reason: str) -> None:
        shown = self._status.refused
        news = [path for path in paths if path not in self._logged]
        self._logged.update(news)
        for path in paths:
            shown.pop(path, None)
            shown[path] = reason
        for oldest in list(shown)[:-_SHOWN]:
            del shown[oldest]
        if news:
            log.warning("refused", sink=self._status.name, values=count, paths=news[:_SAID], reason=reason)


def _paths(batch: Batch, positions: Iterable[int], catalogue: Catalogue) -> list[str]:
    """Browse paths of the tags, types of the events, sources of the gaps at these positions; each once."""
    refused = set(positions)
    wanted = np.fromiter(refused, np.int64, len(refused))
    tags = np.unique(np.concatenate([[0], *(c.tag[np.isin(c.position, wanted)] for c in batch.columns)]))[1:]
    events = (f"{event.source_name}: {event.type}" for event in batch.events if event.position in refused)
    gaps = (f"{gap.source}: gap" for gap in batch.gaps if gap.position in refused)
    return list(dict.fromkeys([*(_path(int(tag), catalogue) for tag in tags), *events, *gaps]))


def _path(tag_id: int, catalogue: Catalogue) -> str:
    try:
        return "/".join(catalogue.tag(tag_id).path)
    except KeyError:
        return f"tag {tag_id}"
