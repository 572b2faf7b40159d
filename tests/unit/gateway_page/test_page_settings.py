"""Settings of the page: who may listen where, and what is refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from support_page import SETTINGS

from gateway.page.settings import PageSettings


def test_the_shipped_kind_of_settings_is_taken() -> None:
    assert PageSettings.model_validate(SETTINGS).kpis[1].good == "low"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_may_look_without_a_password(host: str) -> None:
    assert PageSettings(host=host).password is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "gateway.example"])
@pytest.mark.parametrize("password", [None, ""])
def test_other_machines_may_not_look_without_a_password(host: str, password: str | None) -> None:
    with pytest.raises(ValidationError, match=r"set page\.password"):
        PageSettings.model_validate({"host": host, "password": password})


def test_with_a_password_they_may_and_it_is_not_shown() -> None:
    settings = PageSettings.model_validate({"host": "0.0.0.0", "password": "bitter"})
    assert "bitter" not in repr(settings)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"prot": 80}, "Extra inputs"),
        ({"port": 70_000}, "less than or equal to 65535"),
        ({"line": {"stat": "x"}}, "Extra inputs"),
        ({"kpis": [{"title": "OEE", "tag": "x", "format": "%d"}]}, "no format of a number"),
        ({"kpis": [{"title": "OEE", "tag": "x", "good": "up"}]}, "'high' or 'low'"),
        ({"line": {"tones": {"Fahrt": "purple"}}}, "Input should be"),
    ],
)
def test_what_is_not_understood_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PageSettings.model_validate(wrong)
