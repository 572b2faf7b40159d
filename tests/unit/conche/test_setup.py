"""The environment: the right Python is found, or one clear line says what to do; everything is locked with hashes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FIND = ROOT / "requirements" / "python.sh"
MISSING, OLD, NO_VENV, GOOD = "missing", "old", "no venv", "good"


def fake(folder: Path, name: str, what: str) -> Path:
    """A Python as the script sees it: it is asked for its version first, then for its modules."""
    program = folder / name
    refuses = {OLD: "*version_info*", NO_VENV: "*ensurepip*", GOOD: "nothing"}[what]
    program.write_text(f'#!/bin/sh\ncase "$2" in {refuses}) exit 1;; esac\n')
    program.chmod(0o755)
    return program


def find(folder: Path, python: str = "") -> subprocess.CompletedProcess[str]:
    for tool in ("sh", "basename"):
        link = folder / tool
        if not link.exists():
            link.symlink_to(Path("/usr/bin") / tool)
    return subprocess.run(
        ["/bin/sh", str(FIND)], env={"PATH": str(folder), "PYTHON": python}, capture_output=True, text=True, check=False
    )


def test_a_python_that_is_too_old_or_has_no_venv_is_passed_over(tmp_path):
    fake(tmp_path, "python3", OLD)
    fake(tmp_path, "python3.13", NO_VENV)
    wanted = fake(tmp_path, "python3.12", GOOD)
    found = find(tmp_path)
    assert (found.returncode, found.stdout.strip()) == (0, str(wanted))


def test_the_python_asked_for_is_taken(tmp_path):
    fake(tmp_path, "python3", GOOD)
    wanted = fake(tmp_path, "mine", GOOD)
    assert find(tmp_path, python=str(wanted)).stdout.strip() == str(wanted)


@pytest.mark.parametrize(
    ("there", "asked", "words"),
    [
        (OLD, "", "Python 3.11 or later is missing: install it"),
        (NO_VENV, "", "apt install python3-venv"),
        (OLD, "python3", "PYTHON=python3 is not a Python 3.11 or later"),
    ],
)
def test_what_is_missing_is_said_in_one_line(tmp_path, there, asked, words):
    fake(tmp_path, "python3", there)
    found = find(tmp_path, asked)
    (line,) = found.stderr.splitlines()
    assert found.returncode == 1
    assert words in line


@pytest.mark.parametrize("name", ["runtime", "test"])
def test_every_requirement_is_pinned_with_hashes(name):
    """What a person asks for stands in the .in file; what is installed, to the last file, in the .txt file."""
    locked = (ROOT / "requirements" / f"{name}.txt").read_text()
    entries = re.split(r"\n(?=[a-z0-9])", locked)
    assert [e.splitlines()[0] for e in entries if not re.match(r"[a-z0-9._-]+==\S+.*\\\n +--hash=sha256:", e)] == []
    asked = re.findall(r"^([a-z][a-z0-9-]*)", (ROOT / "requirements" / f"{name}.in").read_text(), re.MULTILINE)
    assert [package for package in asked if f"{package}==" not in locked] == []


def test_running_the_product_installs_no_test_tool():
    locked = (ROOT / "requirements" / "runtime.txt").read_text()
    assert "pytest==" not in locked


def test_make_lists_its_targets():
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("run", "test", "check", "integration", "bench", "lock", "secrets", "clean"):
        assert re.search(rf"^make {target} +\S", shown, re.MULTILINE)
