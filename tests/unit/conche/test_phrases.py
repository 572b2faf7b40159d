"""What is wrong with a setting is said in the words of a person who edits the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from conche.config import ConfigError
from conche.site import load_gateway


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("sources: 3", "sources: must be a list: lines that begin with `- `, or [a, b]"),
        ("page: 7", "page: must hold settings: lines `name: value`, or {name: value}"),
        ("page: {port: x}", "page.port: must be a whole number"),
        ("page: {port: 99999}", "page.port: must be less than or equal to 65535"),
        ("page: {enabled: maybe}", "page.enabled: must be true or false"),
        ("page: {password: 1234}", "page.password: must be a text: put it in quotes"),
        ("page: {tonus: 1}", "page.tonus: is not a setting here"),
        ("page: {kpis: [{title: ok, tag: x, good: up}]}", "page.kpis.0.good: must be 'high' or 'low'"),
        ("page: {kpis: [{title: ok}]}", "page.kpis.0.tag: is missing"),
        ("sinks: [{kind: unz}]", "sinks.0: kind is 'unz', not one of 'uns', 'sparkplug', 'influx', 'historian'"),
        ("sinks: [{}]", "sinks.0: kind is missing"),
        ("{}", "sources: is missing: name a server, such as {name: line1, url: opc.tcp://host:4840}"),
        ("sources: []", "sources: is missing: name a server, such as {name: line1, url: opc.tcp://host:4840}"),
        ("state: {a: b}", "state: must be a path"),
        ("page: {kpis: [{title: '', tag: x}]}", "page.kpis.0.title: must not be empty"),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(settings: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(settings)
    with pytest.raises(ConfigError) as error:
        load_gateway(file, {})
    assert str(error.value) == f"{file}:1: {words}"
