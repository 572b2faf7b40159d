"""A refused tag is said once in the log, however its batches are composed."""

from __future__ import annotations

import numpy as np
from structlog.testing import capture_logs

from gateway.contract import Rejected
from gateway.refusals import Refusals
from gateway.status import SinkStatus
from gateway.values import Batch, Column, DataType, Tag

TAGS = {
    i: Tag(i, "plant", f"nsu=urn:x;s={name}", ("Store", name), DataType.DOUBLE)
    for i, name in enumerate(["Level", "Humidity"], 1)
}


class Known:
    """The part of a catalogue that refusals look at."""

    def tag(self, tag_id: int) -> Tag:
        return TAGS[tag_id]


def batch(*tags: int) -> Batch:
    n = len(tags)
    zeros = np.zeros(n, np.uint32)
    column = Column(np.arange(n), np.array(tags, np.int32), np.ones(n), zeros, np.arange(n))
    return Batch((column,), (), (), last=1)


def test_a_tag_whose_batches_differ_is_logged_once():
    refusals = Refusals(SinkStatus("mqtt"), Known())  # type: ignore[arg-type]
    with capture_logs() as logs:
        refusals.take(batch(1, 2), Rejected([0, 1], "Level has no name; Humidity has no name"))
        refusals.take(batch(2), Rejected([0], "Humidity has no name"))
        refusals.take(batch(1), Rejected([0], "Level has no name"))
    assert [entry["paths"] for entry in logs] == [["Store/Level", "Store/Humidity"]]


def test_the_status_shows_the_latest_reason():
    status = SinkStatus("mqtt")
    refusals = Refusals(status, Known())  # type: ignore[arg-type]
    refusals.take(batch(1), Rejected([0], "too big"))
    refusals.take(batch(1), Rejected([0], "no name"))
    assert status.refused == {"Store/Level": "no name"}
    assert status.rejected == 2
