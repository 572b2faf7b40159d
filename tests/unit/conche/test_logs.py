"""Logs are JSON lines in files and lines for people on a terminal, and hold no secret."""

from __future__ import annotations

import io
import json
import logging
import warnings

import pytest
import structlog

from conche import logs


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_file_gets_one_json_object_a_line_with_time_level_and_logger():
    stream = io.StringIO()
    logs.configure(stream=stream)
    structlog.get_logger("gateway.journal").info("committed", records=3)
    logging.getLogger("foreign").warning("strange %s", "thing")
    own, foreign = lines(stream)
    assert own["event"] == "committed"
    assert own["records"] == 3
    assert own["level"] == "info"
    assert own["logger"] == "gateway.journal"
    assert str(own["timestamp"]).endswith("Z")
    assert foreign["event"] == "strange thing"


def test_a_terminal_gets_a_line_for_people():
    stream = Terminal()
    logs.configure(stream=stream)
    structlog.get_logger("x").info("committed", records=3)
    assert "committed" in stream.getvalue()
    with pytest.raises(json.JSONDecodeError):
        json.loads(stream.getvalue())


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_no_secret_is_ever_written(stream):
    logs.configure(stream=stream)
    log = structlog.get_logger("x")
    log.info(
        "connecting",
        url="mqtt://user:hunter2@broker:1883",
        password="hunter2",
        influx_token="hunter2",
        headers={"Authorization": "Token hunter2"},
        urls=["http://me:hunter2@host/"],
    )
    password = "hunter2"
    try:
        int(f"mqtt://user:{password}@broker")
    except ValueError:
        log.exception("failed")
    text = stream.getvalue()
    assert "hunter2" not in text
    assert "mqtt://user:***@broker:1883" in text


def test_the_level_holds_and_talkative_libraries_are_quiet():
    stream = io.StringIO()
    logs.configure(logs.Level.INFO, stream)
    structlog.get_logger("x").debug("unseen")
    logging.getLogger("asyncua.server").info("unseen")
    logging.getLogger("asyncua.server").warning("seen")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", stacklevel=1)
    assert [line["logger"] for line in lines(stream)] == ["asyncua.server", "py.warnings"]
