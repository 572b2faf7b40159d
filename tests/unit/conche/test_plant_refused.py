"""A plant file that cannot work, and a saved plant that cannot be used: refused by name, place and reason."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support_demo import free_ports
from support_plant import plant_data, shipped

from conche import lifeline, main
from opcua_server.snapshot import decode, encode
from plant_model.plant import Plant
from plant_model.snapshot import MAGIC, VERSION
from plant_model.spec import parse

ROOT = Path(__file__).parents[3]
PLANT = (ROOT / "config/plant/choco.yaml").read_text()
MISTAKES = (
    (r"recipe: \{Liquor: 0\.200", "recipe: {Liquor: 0.300", r"recipe: {Liquor: 0\.300",
     "products.Milk.recipe", "must add up to 1, adds up to 1.1"),
    (r"Hopper: \{capacity_kg: \d+", "Hopper: {capacity_kg: 10", "Hopper: {",
     "buffers.Hopper.capacity_kg", "is below a batch"),
    (r"CocoaButter: \{suppliers: \[[^]]*\]", "CocoaButter: {suppliers: []", "CocoaButter: {suppliers",
     "policies.CocoaButter.suppliers", "must"),
    (r"\n    Retail:\n", "\n    Retail:\n      products: {Praline: 1}\n", "Praline",
     "demand.classes.Retail.products.Praline", "is no product"),
    (r"Cleaning: \{to: Roasting", "Cleaning: {to: Grinding", "Roasting: {to:", "flow.Roasting", "is never reached"),
    (r"Moulding: \{to: Warehouse", "Moulding: {to: Tempering", "Tempering: {to:", "flow.Tempering.to",
     "goes round in a circle: Tempering > Moulding > Tempering"),
)  # fmt: skip
"""What somebody writes instead of what stands in the file; the line, the path and the reason of the refusal."""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site with the shipped plant, on a free port, with all these mistakes in the plant's file."""
    text = PLANT
    for right, wrong, *_ in MISTAKES:
        text, changed = re.subn(right, wrong, text, count=1)
        assert changed, right
    (tmp_path / "plant.yaml").write_text(text)
    (tmp_path / "site.yaml").write_text(f"state: {tmp_path}/var\nplant: {{model: plant.yaml}}\n")
    return tmp_path / "site.yaml"


@pytest.mark.parametrize("command", ["check", "plant", "run"])
def test_all_that_cannot_work_in_a_plant_is_said_at_once_with_file_line_and_path(
    site: Path, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["conche", command, str(site)])
    with pytest.raises(SystemExit) as end:
        main.main()
    said, file = capsys.readouterr().err, site.parent / "plant.yaml"
    assert end.value.code == 2
    lines = file.read_text().splitlines()
    for _, _, where, path, reason in MISTAKES:
        number = next(i for i, line in enumerate(lines, 1) if re.search(where, line))
        assert f"{file}:{number}: {path}: {reason}" in said
    assert not (site.parent / "var").exists()


def damaged(plant: bytes) -> bytes:
    """A file with a bit that fell over."""
    whole = encode(0, plant)
    return whole[:-1] + bytes([whole[-1] ^ 1])


def of_another_version(plant: bytes) -> bytes:
    """A file of a Conche to come."""
    return encode(0, MAGIC + struct.pack("<I", VERSION + 1) + plant[len(MAGIC) + 4 :])


def of_another_plant(plant: bytes) -> bytes:
    """A file of a plant that was planned otherwise."""
    other = plant_data()
    other["costs"]["labour_per_h"] += 1
    return encode(0, Plant(parse(other)).snapshot())


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (damaged, "it is damaged"),
        (of_another_version, f"it is of version {VERSION + 1}, this is version {VERSION}"),
        (of_another_plant, "it is of another plant file"),
    ],
)
def test_a_saved_plant_that_cannot_be_used_is_kept_and_a_new_one_starts(
    spoil: Callable[[bytes], bytes], reason: str, tmp_path: Path
) -> None:
    state, (port,) = tmp_path / "var" / "plant", free_ports(1)
    (tmp_path / "plant.yaml").write_text(PLANT)
    site = tmp_path / "site.yaml"
    site.write_text(f"state: {tmp_path}/var\nplant: {{model: plant.yaml, port: {port}, past_s: 1}}\n")
    state.mkdir(parents=True)
    spoilt = spoil(Plant(shipped()).snapshot())
    (state / "snapshot").write_bytes(spoilt)
    log = plant_until("the plant serves OPC UA", site)
    (aside,) = state.glob("snapshot.refused-*")
    assert aside.read_bytes() == spoilt
    (refusal,) = (line for line in log.splitlines() if "the saved plant was refused" in line)
    assert reason in refusal
    assert str(aside) in refusal
    _, saved = decode((state / "snapshot").read_bytes())
    assert Plant.restore(shipped(), saved).now > 0.0


def plant_until(said: str, site: Path) -> str:
    """Run `conche plant` until it has said something, stop it in good order; its whole log."""
    command = [sys.executable, "-m", "conche.main", "plant", str(site)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lifeline.die_with_parent,  # noqa: PLW1509 - a killed test leaves nothing running
    ) as process:
        assert process.stdout is not None
        log = ""
        for line in process.stdout:
            log += line
            if said in line:
                process.terminate()
    assert process.returncode == 0, log
    return log
