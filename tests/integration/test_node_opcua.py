"""A foreign client, node-opcua, sees the plant as its users will."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support_demo import Demo

NODE = Path(__file__).with_name("node")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the client printed after it looked at a running demo."""
    node = shutil.which("node")
    assert node, "node is missing: install Node.js 18 or newer"
    assert (NODE / "node_modules").is_dir(), "run `npm ci` in tests/integration/node (make integration does)"
    demo = Demo(tmp_path_factory.mktemp("foreign"))
    try:
        demo.start()
        command = [node, "client.js", demo.opcua_url, demo.operator_password()]
        done = subprocess.run(command, cwd=NODE, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        yield json.loads(done.stdout.splitlines()[-1])
    finally:
        demo.end()


def test_a_measured_value_has_unit_range_time_and_words(seen: dict[str, Any]) -> None:
    assert {"EURange", "EngineeringUnits"} <= set(seen["properties"])
    assert seen["status"] == "Good"
    assert 20 < seen["value"] < 60
    assert seen["sourceTimestamp"].endswith("Z")
    assert seen["description"]


def test_the_past_hour_is_in_history(seen: dict[str, Any]) -> None:
    assert seen["historyStatus"] == "Good"
    assert seen["history"] > 50


def test_every_heartbeat_arrives(seen: dict[str, Any]) -> None:
    beats = seen["heartbeats"]
    assert len(beats) > 20
    assert beats == list(range(beats[0], beats[0] + len(beats)))


def test_a_state_has_a_word(seen: dict[str, Any]) -> None:
    assert seen["state"] in {"Execute", "Suspended", "Held", "Aborted", "Idle", "Stopped", "Complete"}


def test_a_machine_failure_is_an_event_of_its_own_type(seen: dict[str, Any]) -> None:
    failure = seen["failure"]
    assert failure["injected"] == "Good"
    assert failure["type"] == "MachineFailureEventType"
    assert failure["station"]
    assert failure["fault"]
    assert failure["station"] in failure["past"], "history has it, too"
    assert failure["source"]
    assert failure["message"]
    assert 1 <= failure["severity"] <= 1000


def test_only_the_operator_may_write_and_only_within_range(seen: dict[str, Any]) -> None:
    assert seen["anonymousWrite"] in {"BadUserAccessDenied", "BadNotWritable"}
    assert seen["anonymousCall"] == "BadUserAccessDenied"
    assert seen["operatorWrite"] == "Good"
    assert seen["outOfRange"] == "BadOutOfRange"
