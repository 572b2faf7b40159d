"""The gateway's settings: the shipped ones are good, and of wrong ones everything is said at once, where it stands."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from conche.config import load
from gateway.settings import SettingsError, parse

DEMO = Path(__file__).parents[3] / "config/gateway/demo.yaml"


@pytest.fixture
def demo() -> dict[str, Any]:
    return copy.deepcopy(load(DEMO, {}).data)


def problems(data: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        parse(data)
    return {".".join(map(str, problem.path)): problem.message for problem in caught.value.problems}


def test_the_shipped_settings_are_good(demo: dict[str, Any]) -> None:
    assert parse(demo).sources[0].url == "opc.tcp://127.0.0.1:4840"


def test_everything_wrong_is_said_at_once(demo: dict[str, Any]) -> None:
    demo["sources"][0]["url"] = "http://127.0.0.1"
    demo["sinks"][1]["colour"] = "red"
    demo["sinks"].append({"kind": "pigeon"})
    del demo["rules"][1]["type"]
    demo["rules"][0]["mail"]["template"] = "restok"
    found = problems(demo)
    assert set(found) == {"sources.0.url", "sinks.1.colour", "sinks.3", "rules.1.type", "rules.0.mail.template"}


def test_an_entry_behind_a_wrong_one_is_named_by_its_place_in_the_file(demo: dict[str, Any]) -> None:
    demo["rules"].insert(0, {"kind": "event", "name": "x"})
    demo["rules"][2]["mail"]["to"] = "friends"
    assert {"rules.0.type", "rules.0.mail", "rules.2.mail.to"} <= set(problems(demo))


def test_two_sinks_of_one_name_or_of_a_reserved_one_are_refused(demo: dict[str, Any]) -> None:
    demo["sinks"] += [{"kind": "historian"}, {"kind": "uns", "name": "page"}]
    assert "'historian' is the name of 2" in problems(demo)["sinks"] or "'page'" in problems(demo)["sinks"]


def test_a_topic_of_parts_that_naming_does_not_give_is_refused(demo: dict[str, Any]) -> None:
    demo["sinks"][1]["topic"] = "{plant}/{tag}"
    assert "{plant}" in problems(demo)["sinks.1.topic"]


def test_no_error_shows_a_password(demo: dict[str, Any]) -> None:
    demo["notify"] = {"kind": "smtp", "host": "mail", "user": "u", "password": "hunter2", "from": "a@b.example", "x": 1}
    with pytest.raises(SettingsError) as caught:
        parse(demo)
    assert "hunter2" not in repr(caught.value)
    assert "hunter2" not in repr(caught.value.__cause__)
