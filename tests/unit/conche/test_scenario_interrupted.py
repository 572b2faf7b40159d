"""Ctrl-C ends a run of scenarios at once: no process is left, no traceback is shown."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from support_plant import FILE

ROOT = FILE.parents[2]
DEADLINE_S = 60.0


def study_without_end(folder: Path) -> Path:
    file = folder / "long.yaml"
    facts = {"title": "Long", "warm_up_d": 700, "length_d": 700, "replications": 50, "scenarios": {"A": {}}}
    file.write_text(yaml.safe_dump({"plant": str(FILE)} | facts))
    return file


def children(pid: int) -> int:
    return len(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("whole_group", [True, False], ids=["terminal", "process"])
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, *, whole_group: bool) -> None:
    command = [
        sys.executable,
        "-m",
        "conche.main",
        "scenario",
        "run",
        str(study_without_end(tmp_path)),
        "--workers",
        "2",
    ]
    run = subprocess.Popen(
        command,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - jobs in the background ignore it
    )
    deadline = time.monotonic() + DEADLINE_S
    while children(run.pid) < 3 and run.poll() is None:  # two workers, and who tracks their resources
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (os.killpg if whole_group else os.kill)(run.pid, signal.SIGINT)
    _, errors = run.communicate(timeout=DEADLINE_S)
    assert run.returncode != 0
    assert "Traceback" not in errors
    while alive(run.pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)
