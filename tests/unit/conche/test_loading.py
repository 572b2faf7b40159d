"""Ctrl-C while a command still loads its modules ends it at once and without words."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conche.loading import loading

ROOT = Path(__file__).parents[3]
INTERRUPTED = """
import os, runpy, signal, sys

class CtrlC:
    def find_spec(self, name, *_):
        if name == MODULE:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, CtrlC())
runpy.run_module("conche.main", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("command", "module"),
    [
        ("run", "typer"),
        ("run", "gateway.settings"),
        ("plant", "asyncua"),
        ("plant", "plant_model.plant"),
        ("gateway", "gateway.gateway"),
        ("gateway", "gateway.sinks.influx"),
    ],
)
def test_ctrl_c_while_modules_load_is_no_traceback(command: str, module: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.replace("MODULE", repr(module)), command],
        cwd=ROOT,
        env=os.environ | {"CONCHE_STATE": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")
    assert list(tmp_path.iterdir()) == []


def test_a_job_in_the_background_goes_on_ignoring_ctrl_c() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with loading():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_was_loaded_is_interrupted_as_ever() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ImportError), loading():
        raise ImportError
    assert signal.getsignal(signal.SIGINT) is before
