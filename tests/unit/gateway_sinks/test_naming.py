"""Browse paths become names as the templates say, and whoever writes a wrong template is told."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from support_sinks import NAMING, tag

from gateway.naming import Naming, NamingError, NamingSettings, fill, parts

SHIPPED = [
    "Machines/{line}/Components/{station}/{group}/{tag}",
    {
        "match": "Machines/{line}/Components/{station}/Components/{module}/{group}/{tag}",
        "set": {"tag": "{module}{tag}"},
    },
    {"match": "Machines/{line}/{group}/{tag}", "set": {"station": "{line}"}},
    {"match": "Warehouse/{station}/{tag}", "set": {"line": "Warehouse", "group": "Stock"}},
    {"match": "Simulation/{tag}", "set": {"line": "Simulation", "station": "Simulation", "group": "Simulation"}},
]
CONSTANTS = {"enterprise": "choco", "site": "berlin", "area": "production"}


def shipped() -> Naming:
    return Naming(NamingSettings.model_validate({"constants": CONSTANTS, "paths": SHIPPED}))


def naming(*paths: object, **constants: str) -> Naming:
    return Naming(NamingSettings.model_validate({"constants": constants, "paths": paths}))


@pytest.mark.parametrize(
    ("path", "topic"),
    [
        ("Machines/L1/Components/Tempering/Process/Zone2", "choco/berlin/production/L1/Tempering/Process/Zone2"),
        (
            "Machines/L1/Components/Conching/Components/Conche2/Process/Temp",
            "choco/berlin/production/L1/Conching/Process/Conche2Temp",
        ),
        ("Machines/L1/Performance/OEE", "choco/berlin/production/L1/L1/Performance/OEE"),
        ("Warehouse/Sugar/Level", "choco/berlin/production/Warehouse/Sugar/Stock/Level"),
        ("Simulation/Speed", "choco/berlin/production/Simulation/Simulation/Simulation/Speed"),
    ],
)
def test_the_shipped_templates_name_every_path_of_the_plant(path: str, topic: str) -> None:
    names = shipped().names(tuple(path.split("/")))
    assert fill("{enterprise}/{site}/{area}/{line}/{station}/{group}/{tag}", names) == topic


def test_the_first_template_that_fits_names_the_path() -> None:
    both = naming("A/{station}/{tag}", "A/{line}/{tag}")
    assert both.names(("A", "x", "y")) == {"station": "x", "tag": "y"}


def test_a_path_that_no_template_fits_has_no_names() -> None:
    assert shipped().names(("Machines", "L1")) == {}
    assert shipped().names(("machines", "L1", "Performance", "OEE")) == {}


def test_a_level_may_be_text_and_parts_at_once() -> None:
    assert naming("Conche{number}/{tag}").names(("Conche3", "Temp")) == {"number": "3", "tag": "Temp"}
    assert naming("Conche{number}/{tag}").names(("Mixer3", "Temp")) == {}


def test_a_browse_name_with_a_slash_stays_one_level() -> None:
    assert naming("{station}/{tag}").names(("A/B", "C")) == {"station": "A/B", "tag": "C"}


def test_a_tag_has_its_source_as_a_part_too() -> None:
    assert NAMING.of(tag(1, source="plc7"))["source"] == "plc7"


def test_a_tag_without_template_is_told_its_path() -> None:
    with pytest.raises(NamingError, match=r"'Somewhere/Else'.*add one"):
        NAMING.of(tag(1, path=("Somewhere", "Else")))


def test_filling_in_what_is_not_known_names_the_part() -> None:
    with pytest.raises(NamingError, match="'batch'"):
        fill("{line}/{batch}", {"line": "L1"})


def test_braces_that_are_no_parts_stay() -> None:
    assert parts("{a}/x/{b}") == ("a", "b")


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"paths": ["{line}/{line}"]}, "captures a part twice"),
        ({"paths": ["A/{tag"]}, "brace"),
        ({"paths": [{"match": "{tag}", "set": {"line": "{nowhere}"}}]}, "{nowhere}, which nothing gives"),
        ({"paths": ["{source}/{tag}"]}, "name of the server"),
        ({"constants": {"source": "x"}}, "name of the server"),
        ({"paths": [{"match": "{tag}", "sets": {}}]}, "sets"),
        ({"path": []}, "path"),
        ({"paths": [""]}, "at least 1 character"),
    ],
)
def test_wrong_settings_are_refused_with_the_reason(settings: dict[str, object], word: str) -> None:
    with pytest.raises(ValidationError, match=word.replace("{", r"\{").replace("}", r"\}")):
        NamingSettings.model_validate(settings)


def test_a_constant_may_be_used_in_set() -> None:
    assert naming({"match": "{tag}", "set": {"line": "{site}1"}}, site="berlin").names(("T",))["line"] == "berlin1"


def test_a_sink_template_is_checked_against_every_path_template() -> None:
    assert shipped().problems("{enterprise}/{line}/{station}/{group}/{tag}/{source}") == ()
    (problem,) = naming("{station}/{tag}", "{line}/{station}/{tag}").problems("{line}/{tag}")
    assert problem == "'{line}/{tag}' needs {line}, which '{station}/{tag}' does not give"
    assert shipped().problems("{enterprise}/{line}", constants_only=True) == (
        "'{enterprise}/{line}' needs {line} in naming.constants",
    )


def test_requiring_names_all_that_is_missing() -> None:
    with pytest.raises(NamingError, match=r"\{batch\}.*\{lot\}"):
        naming("{tag}").require("{tag}/{batch}", "{lot}")


def test_the_schema_allows_the_short_form() -> None:
    schema = NamingSettings.model_json_schema()
    assert {"type": "string"} in schema["$defs"]["PathTemplate"]["anyOf"]
