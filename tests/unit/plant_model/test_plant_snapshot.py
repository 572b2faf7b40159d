"""A saved plant goes on as if nothing had happened; a copy leaves its original alone; bad bytes are refused."""

from __future__ import annotations

import pickle
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_plant import DAY, HOUR, assert_sound, lived, plant_data, shipped

from plant_model import snapshot
from plant_model.plant import Plant, SnapshotError
from plant_model.spec import parse

SPEC = shipped()


@settings(max_examples=15)
@given(st.floats(0.0, 6 * DAY), st.integers(0, 50))
def test_snapshot_restore_continue_is_the_uninterrupted_run(cut: float, seed: int) -> None:
    whole = Plant(SPEC, seed)
    whole.advance(cut)
    second = Plant.restore(SPEC, whole.snapshot())
    assert second.state == whole.state
    until = cut + 1.5 * DAY
    assert second.advance(until) == whole.advance(until)
    assert second.state == whole.state


def test_a_snapshot_can_be_taken_at_every_event() -> None:
    """The cut falls on the very moment of an event, a likely place for an off-by-one."""
    until, plant, events = DAY, Plant(SPEC), []
    whole = Plant(SPEC).advance(until)
    for event in whole[:12]:
        events += plant.advance(event.time)
        assert events + Plant.restore(SPEC, plant.snapshot()).advance(until) == whole


def test_what_was_not_told_yet_is_in_the_snapshot() -> None:
    plant = Plant(SPEC)
    plant.inject_fault("Grinding", "MillOverload")
    restored = Plant.restore(SPEC, plant.snapshot())
    assert restored.advance(1.0) == plant.advance(1.0)


def test_a_fork_is_the_same_and_then_its_own() -> None:
    plant = Plant(SPEC)
    plant.advance(3 * DAY)
    before = plant.snapshot()
    fork = plant.fork()
    ahead = fork.advance(6 * DAY)
    assert plant.snapshot() == before
    assert plant.advance(6 * DAY) == ahead


def test_a_fork_with_a_seed_has_a_future_of_its_own_and_the_same_present() -> None:
    plant = Plant(SPEC)
    plant.advance(3 * DAY)
    one, same, other = plant.fork(1), plant.fork(1), plant.fork(2)
    assert one.state.buffers == plant.state.buffers
    futures = [fork.advance(6 * DAY) for fork in (one, same, other)]
    assert futures[0] == futures[1] != futures[2]
    assert_sound(one)
    assert plant.advance(6 * DAY) not in futures


def test_a_fork_with_a_seed_forgets_no_delivery_and_no_age() -> None:
    plant = Plant(SPEC)
    plant.advance(6 * DAY)
    fork = plant.fork(3)
    assert fork.state.deliveries == plant.state.deliveries != {}
    coming = {entry.argument for entry in fork.state.agenda.entries.values() if entry.handler == "delivery"}
    assert coming == set(plant.state.deliveries)
    for name, unit in plant.state.units.items():
        for fault, failure in unit.failures.items():
            drawn = fork.state.units[name].failures[fault]
            running = (plant.now - unit.since) * (unit.activity.name == "Running")
            assert drawn.age == pytest.approx(failure.age + running)
            assert drawn.remaining > 0


def test_damage_is_noticed() -> None:
    data = bytearray(Plant(SPEC).snapshot())
    data[-5] ^= 1
    with pytest.raises(SnapshotError, match="damaged") as refused:
        Plant.restore(SPEC, bytes(data))
    assert "checksum" in refused.value.reason


@pytest.mark.parametrize("data", [b"", b"nonsense" * 40])
def test_what_is_no_snapshot_is_refused(data: bytes) -> None:
    with pytest.raises(SnapshotError, match="damaged or none"):
        Plant.restore(SPEC, data)


def test_a_cut_snapshot_is_refused() -> None:
    data = Plant(SPEC).snapshot()
    with pytest.raises(SnapshotError, match="damaged"):
        Plant.restore(SPEC, data[: len(data) // 2])


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Plant(SPEC).snapshot()
    version = snapshot.VERSION
    monkeypatch.setattr(snapshot, "VERSION", version + 1)
    with pytest.raises(SnapshotError, match=f"of version {version}, this is version {version + 1}"):
        Plant.restore(SPEC, data)


def test_another_plant_file_is_refused() -> None:
    other = plant_data()
    other["costs"]["labour_per_h"] = 25
    with pytest.raises(SnapshotError, match="another plant file"):
        Plant.restore(parse(other), Plant(SPEC).snapshot())


@pytest.mark.parametrize("foreign", [Exception("x"), time.sleep])
def test_a_snapshot_cannot_smuggle_in_other_classes(foreign: object) -> None:
    plant = Plant(SPEC)
    plant.state.campaign = foreign  # type: ignore[assignment]
    with pytest.raises(SnapshotError, match="foreign class"):
        Plant.restore(SPEC, plant.snapshot())


def test_a_snapshot_stays_small() -> None:
    early, late = lived(4).snapshot(), lived(10).snapshot()
    assert len(early) < 200_000
    assert len(late) < 1.3 * len(early)


def test_the_state_is_plain_data() -> None:
    plant = Plant(SPEC)
    plant.advance(5 * HOUR)
    assert pickle.loads(pickle.dumps(plant.state)) == plant.state
