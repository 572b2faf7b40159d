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


def test_what_is_missing_is_said_also_beside_a_key_that_does_not_exist(demo: dict[str, Any]) -> None:
    demo["sinks"].append({"kind": "influx", "bukket": "x"})
    found = problems(demo)
    assert found["sinks.3.bukket"] == "Extra inputs are not permitted"
    assert "needs org and bucket and token" in found["sinks.3"]


def test_what_is_read_lies_beside_the_settings_and_what_is_written_does_not(
    demo: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "texts").mkdir()
    demo["sources"][0]["security"] = {"server_certificate": "pki/plc.der"}
    demo["sinks"][1]["broker"]["tls"] = {"ca_path": "/etc/ca.pem", "certificate_path": "~/own.pem"}
    demo["notify"]["templates"] = "texts"
    settings = parse(demo, tmp_path)
    assert settings.sources[0].security.server_certificate == tmp_path / "pki" / "plc.der"
    assert settings.sinks[1].broker.tls.ca_path == Path("/etc/ca.pem")
    assert settings.sinks[1].broker.tls.certificate_path == Path.home() / "own.pem"
    assert settings.notify.templates == tmp_path / "texts"
    assert settings.state == Path("var/gateway")
    assert settings.notify.folder == Path("var/outbox")


@pytest.mark.parametrize(("part", "meaning"), [("unit", "the engineering unit"), ("source", "the name of the server")])
def test_a_part_that_has_a_meaning_of_its_own_cannot_be_given(demo: dict[str, Any], part: str, meaning: str) -> None:
    demo["naming"]["paths"][1]["match"] = f"Machines/{{line}}/Components/{{station}}/{{{part}}}/{{group}}/{{tag}}"
    demo["naming"]["paths"][1]["set"] = {}
    assert meaning in problems(demo)["naming"]
