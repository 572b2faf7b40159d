"""A settings file is read with its lines, the environment and secret files; all that is wrong is said at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conche.config import ConfigError, Findings, OwnProblem, load

ENVIRONMENT = {"PORT": "4841", "NAME": "yes", "EMPTY": "", "SPEED": "1e3"}


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str) -> Path:
        file = tmp_path / "site.yaml"
        file.write_text(text)
        return file

    return write


def data(file: Path) -> dict[str, Any]:
    document = load(file, ENVIRONMENT)
    assert document.findings == ()
    return document.data


def said(file: Path) -> list[str]:
    """What is wrong, without the folder."""
    try:
        findings = load(file, ENVIRONMENT).findings
    except ConfigError as error:
        findings = error.findings
    return [str(finding).removeprefix(f"{file.parent}/") for finding in findings]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-7", -7),
        ("010", 10),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        ("1e-3", 0.001),
        ("-.inf", float("-inf")),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("no", "no"),
        ("06:00", "06:00"),
        ("14:30", "14:30"),
        ("2026-01-05", "2026-01-05"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("1_000", "1_000"),
    ],
)
def test_scalars_are_typed_as_yaml_1_2_does(write, text, value):
    assert data(write(f"x: {text}\n")) == {"x": value}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${PORT}", 4841),
        ("${SPEED}", 1000.0),
        ('"${PORT}"', "4841"),
        ("${NAME}", "yes"),
        ("${ABSENT:-1883}", 1883),
        ("${EMPTY:-7}", 7),
        ("${EMPTY}", None),
        ("${ABSENT:-}", None),
        ("${ABSENT:-a:-b}", "a:-b"),
        ("opc.tcp://127.0.0.1:${PORT}/x", "opc.tcp://127.0.0.1:4841/x"),
        ("$${PORT}", "${PORT}"),
        ("{enterprise: '{site}'}", {"enterprise": "{site}"}),
    ],
)
def test_the_environment_is_filled_in_and_typed_unless_quoted(write, text, value):
    assert data(write(f"x: {text}\n")) == {"x": value}


def test_nested_data_anchors_and_lists_come_out_plain(write):
    file = write("a: &common {x: 1}\nb:\n  - *common\n  - [2, three]\n")
    assert data(file) == {"a": {"x": 1}, "b": [{"x": 1}, [2, "three"]]}


def test_an_empty_file_is_an_empty_mapping(write):
    assert data(write("# nothing yet\n")) == {}


def test_a_secret_comes_from_a_file_beside_the_settings(write, tmp_path):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "mqtt").write_text("  s3cret \n")
    assert data(write("mqtt:\n  password_file: secrets/mqtt\n")) == {"mqtt": {"password": "s3cret"}}


def test_every_mistake_is_said_with_its_line(write):
    file = write(
        "state: var\n"
        "broker:\n"
        "  port: ${MISSING}\n"
        "  port: 1\n"
        "password_file: absent.txt\n"
        "list:\n"
        "  - fine\n"
        "  - ${also-wrong}\n"
        "  - !!python/object:os.system x\n"
        "  - [{[a]: b}]\n"
    )
    assert said(file) == [
        "site.yaml:3: broker.port: the environment variable MISSING is not set",
        "site.yaml:4: broker.port: is given twice, first in line 3",
        f"site.yaml:5: password: cannot read the file {file.parent}/absent.txt: No such file or directory",
        "site.yaml:8: list.1: cannot read ${also-wrong}: write ${NAME} or ${NAME:-default}",
        "site.yaml:9: list.2: the tag tag:yaml.org,2002:python/object:os.system is not used here",
        "site.yaml:10: list.3.0: a key must be a plain word",
    ]


def test_a_secret_given_both_ways_is_a_mistake(write, tmp_path):
    (tmp_path / "p").write_text("x")
    file = write("password: a\npassword_file: p\n")
    assert said(file) == ["site.yaml:2: password_file: is given twice, first in line 1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\nb: 2\n", "site.yaml:2: is not YAML"),
        ("- a\n- b\n", "site.yaml:1: must be a mapping"),
        ("a: &a [*a]\n", "site.yaml:1: a.0: an alias of something that holds it"),
        ("a: *nobody\n", "site.yaml:1: is not YAML"),
        ("a: \x07\n", "site.yaml: is not YAML"),
    ],
)
def test_what_is_no_settings_file_is_said(write, text, message):
    (line,) = said(write(text))
    assert line.startswith(message)


def test_a_file_that_is_not_there_or_not_text_is_said(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file"):
        load(tmp_path / "none.yaml", {})
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"binary\.yaml: is not UTF-8 text"):
        load(tmp_path / "binary.yaml", {})


class RoomError(Exception):
    def __init__(self, *problems: OwnProblem) -> None:
        super().__init__()
        self.problems = problems


def test_the_problems_of_a_room_get_file_and_line(write):
    file = write("plant:\n  speed: -1\n  list:\n    - a\n    - b\n")

    def parse(_data: object) -> None:
        raise RoomError(
            OwnProblem(("speed",), "must be positive"),
            OwnProblem(("list", 1), "is no station"),
            OwnProblem(("model",), "is missing"),
        )

    findings = Findings()
    document = findings.load(file, {})
    assert findings.parse_section(document, ("plant",), document.data["plant"], parse, RoomError) is None
    with pytest.raises(ConfigError) as error:
        findings.settle()
    assert str(error.value).replace(f"{file.parent}/", "").splitlines() == [
        "site.yaml:1: plant.model: is missing",
        "site.yaml:2: plant.speed: must be positive",
        "site.yaml:5: plant.list.1: is no station",
    ]


def test_a_place_that_is_explained_already_is_not_said_again(write):
    file = write("port: ${MISSING}\nspeed: -1\n")

    def parse(_data: object) -> None:
        raise RoomError(OwnProblem(("port",), "must be a number"), OwnProblem(("speed",), "must be positive"))

    findings = Findings()
    findings.parse(findings.load(file, {}), parse, RoomError)
    with pytest.raises(ConfigError) as error:
        findings.settle()
    assert [finding.message for finding in error.value.findings] == [
        "the environment variable MISSING is not set",
        "must be positive",
    ]
