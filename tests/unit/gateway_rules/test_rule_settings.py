"""What may be written under rules, contacts and notify, and what a person is told when it may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from support_rules import CONTACTS, NOTIFY, RULES, SHIPPED, contacts, event_rule, outbox, rule

from gateway.notify.settings import SesSettings, SmtpSettings
from gateway.rules.checks import rule_problems
from gateway.rules.patterns import PathPattern


def complaints(changes: dict[str, Any], number: int = 0) -> dict[str, str]:
    """Key -> message of a shipped rule with changes."""
    with pytest.raises(ValidationError) as caught:
        RULES.validate_python([SHIPPED["rules"][number] | changes])
    return {".".join(map(str, error["loc"][2:])): error["msg"] for error in caught.value.errors()}


def test_the_shipped_rules_and_contacts_are_without_problems(tmp_path: Path) -> None:
    assert rule_problems(RULES.validate_python(SHIPPED["rules"]), contacts(), outbox(tmp_path)) == []


def test_a_pattern_captures_within_one_browse_name() -> None:
    pattern = PathPattern.parse("Machines/{line}/Components/Conche{n}/Level")
    assert pattern.match(("Machines", "L1", "Components", "Conche2", "Level")) == {"line": "L1", "n": "2"}
    assert pattern.match(("Machines", "A/B", "Components", "Conche2", "Level")) == {"line": "A/B", "n": "2"}
    assert pattern.match(("Machines", "L1", "Components", "Mixer2", "Level")) is None
    assert pattern.match(("Machines", "L1", "Components", "Conche2")) is None
    assert PathPattern.parse("a.b/c").match(("aXb", "c")) is None


@pytest.mark.parametrize("path", ["", "a//b", "/a", "a/", "a/{b", "a/b}", "a/{b}/{b}", "{}/a", "{1}/a"])
def test_a_pattern_that_makes_no_sense_is_refused(path: str) -> None:
    assert list(complaints({"tag": path})) == ["tag"]


@pytest.mark.parametrize(
    ("changes", "where", "what"),
    [
        ({"below": "Warehouse/{product}/Limit"}, "below", "{product} is not a part of the rule's tag"),
        ({"exclude": {"product": ["x"]}}, "exclude", "{product} is not a part"),
        ({"with": {"a": "W/{x}/{y}"}}, "with", "{x}, {y} is not a part"),
        ({"mail": {"template": "restock", "to": "suppliers", "key": "{x}"}}, "mail", "{x} is not a part"),
        ({"mail": {"template": "restock", "to": "suppliers"}}, "mail", "go together"),
        ({"mail": {"template": "restock"}}, "mail", "nobody gets this mail"),
        ({"above": 5}, "", "either below or above"),
        ({"below": None}, "", "either below or above"),
        ({"below": float("nan")}, "below", "finite"),
        ({"below": True}, "below", "a number, or the path"),
        ({"below": "Warehouse//Level"}, "below", "a browse name is empty"),
        ({"below": "Warehouse/{material/Level"}, "below", "braces hold one name"),
        ({"hysteresis": -1}, "hysteresis", "0 or more"),
        ({"hysteresis": "five"}, "hysteresis", "'5 %'"),
        ({"delay_s": -1}, "delay_s", "greater than or equal to 0"),
        ({"name": "a b"}, "name", "pattern"),
        ({"colour": "red"}, "colour", "Extra inputs"),
    ],
)
def test_a_mistake_is_told_with_the_key_it_belongs_to(changes: dict[str, Any], where: str, what: str) -> None:
    found = complaints(changes)
    assert where in found
    assert what in found[where]


def test_all_mistakes_are_told_at_once() -> None:
    assert set(complaints({"name": "", "below": "W/{x}", "delay_s": "soon", "extra": 1})) == {
        "name", "below", "delay_s", "extra",
    }  # fmt: skip


def test_a_condition_on_a_field_is_checked() -> None:
    found = complaints(
        {"where": [{"field": "Quantity", "op": "=>", "value": 50}, {"field": "", "op": "==", "value": []}]}, 1
    )
    assert set(found) == {"where.0.op", "where.1.field", "where.1.value"}


def test_numbers_may_come_as_text_from_the_environment() -> None:
    made = rule(below="12.5", hysteresis="3", delay_s="60")
    assert (made.limit, made.margin, made.delay_s) == (12.5, (3.0, 0.0), 60)


def test_hysteresis_in_percent() -> None:
    assert rule(hysteresis="2.5%").margin == (0.0, 0.025)
    assert rule(hysteresis="5 %").margin == (0.0, 0.05)


def test_problems_of_rules_contacts_and_texts_together_are_all_listed(tmp_path: Path) -> None:
    (tmp_path / "typo.txt").write_text("Subject: {{ parts.materail }}\n\nx")
    (tmp_path / "stranger.txt").write_text("Subject: s\n\n{{ stock }} {{ fields }}")
    (tmp_path / "broken.txt").write_text("Subject: s\n\n{% for %}")
    (tmp_path / "careless.txt").write_text("Subject: s\n\n{{ values.on_order + 1 }}")
    mail = {"to": "suppliers", "key": "{material}"}
    rules = [
        rule(name="a", mail=mail | {"template": "typo"}),
        rule(name="a", mail=mail | {"template": "stranger"}),
        rule(name="c", mail=mail | {"template": "broken"}),
        rule(name="d", mail=mail | {"template": "careless"}),
        event_rule(name="e", mail={"template": "stranger", "to": "friends", "key": "{x}"}),
        event_rule(name="f", mail={"template": "missing", "address": "a@b.example"}),
    ]
    found = rule_problems(rules, contacts(), outbox(tmp_path, templates=tmp_path))
    by_path = {".".join(map(str, path)): text for path, text in found}
    assert by_path["rules.0.mail.template"].endswith("has no attribute 'materail'")
    assert "'a' is the name of another rule" in by_path["rules.1.name"]
    assert "asks for fields, stock; there are: contact, limit, parts," in by_path["rules.1.mail.template"]
    assert "broken" in by_path["rules.2.mail.template"]
    assert "NoneType" in by_path["rules.3.mail.template"]
    assert by_path["rules.4.mail.to"] == "'friends' is not a contact book; there are: customers, suppliers"
    assert "asks for stock" in by_path["rules.4.mail.template"]
    assert "neither shipped nor in the templates folder" in by_path["rules.5.mail.template"]
    assert len(found) == 8


def test_a_folder_of_texts_that_is_missing_is_told(tmp_path: Path) -> None:
    (problem,) = rule_problems([rule()], contacts(), outbox(tmp_path, templates=tmp_path / "none"))
    assert problem[0] == ("notify", "templates")


@pytest.mark.parametrize("email", ["orders", "a@b@c", "a@b.example\nBcc: x@y.example", ""])
def test_a_contact_needs_a_mail_address(email: str) -> None:
    with pytest.raises(ValidationError, match="is not a mail address"):
        CONTACTS.validate_python({"suppliers": {"Beans": {"name": "Beans", "email": email}}})


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x00b"])
def test_a_contact_needs_a_name_of_one_line(name: str) -> None:
    with pytest.raises(ValidationError, match="one line of text"):
        CONTACTS.validate_python({"suppliers": {"Beans": {"name": name, "email": "a@b.example"}}})


def test_the_sender_is_written_as_in_a_mail_program(tmp_path: Path) -> None:
    whole = outbox(tmp_path).sender
    assert (whole.name, whole.email) == ("Conche chocolate line 1", "line1@choco.example")
    assert outbox(tmp_path, **{"from": "a@b.example"}).sender.name == "a@b.example"
    with pytest.raises(ValidationError, match="is not a mail address"):
        outbox(tmp_path, **{"from": "nobody"})


def test_a_password_is_kept_secret_and_never_sent_in_clear() -> None:
    known = {"kind": "smtp", "from": "a@b.example", "host": "mail", "user": "u", "password": "s3cret"}
    made: SmtpSettings = NOTIFY.validate_python(known)
    assert "s3cret" not in repr(made)
    for changes, complaint in (({"security": "none"}, "never sent in clear"), ({"user": None}, "go together")):
        with pytest.raises(ValidationError, match=complaint) as caught:
            SmtpSettings.model_validate(known | changes)
        assert "s3cret" not in str(caught.value)


def test_exactly_one_way_out_is_chosen() -> None:
    assert isinstance(
        NOTIFY.validate_python({"kind": "ses", "from": "a@b.example", "region": "eu-west-1"}), SesSettings
    )
    for wrong in ({"kind": "pigeon"}, {}, {"kind": "ses", "from": "a@b.example"}, {"kind": "outbox", "host": "x"}):
        with pytest.raises(ValidationError):
            NOTIFY.validate_python(wrong)


def test_the_settings_have_a_schema_for_editors() -> None:
    assert RULES.json_schema()
    assert NOTIFY.json_schema(mode="validation")
    assert CONTACTS.json_schema()
