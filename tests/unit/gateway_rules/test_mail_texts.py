"""Mails as people get them: texts, headers, the HTML twin, and the files of the outbox."""

from __future__ import annotations

import email
import os
from collections.abc import Callable
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_rules import outbox

from gateway.contract import NotConnected
from gateway.notify.message import MailRefused, Message, compose, to_html
from gateway.notify.outbox import Outbox
from gateway.notify.settings import Contact, is_address
from gateway.notify.texts import TextError, Texts, number, words

SENDER = Contact(name="Conche", email="line1@choco.example")
SUPPLIER = Contact(name="Allgäu Dairy", email="sales@allgaeu-dairy.example")
TIME = 1_790_000_000_123_456_789


def message(**changes: str) -> Message:
    known = {
        "name": "Allgäu Dairy",
        "email": "sales@allgaeu-dairy.example",
        "subject": "Milk, größer 5 t",
        "text": "Grüße\n",
    }
    return Message("0123456789abcdef", "restock", TIME, **(known | changes))


def parsed(whole: bytes) -> EmailMessage:
    made = email.message_from_bytes(whole, policy=policy.default)
    assert made.defects == []
    return made


@pytest.fixture
def own_text(tmp_path: Path) -> Callable[[str], Texts]:
    def write(source: str) -> Texts:
        (tmp_path / "own.txt").write_text(source)
        return Texts(SENDER, tmp_path)

    return write


def test_a_mail_is_plain_text_with_an_html_twin_and_proper_headers() -> None:
    mail = parsed(compose(message(), SENDER, reply_to=SUPPLIER).as_bytes())
    assert str(mail["From"]) == "Conche <line1@choco.example>"
    assert str(mail["To"]) == "Allgäu Dairy <sales@allgaeu-dairy.example>"
    assert str(mail["Reply-To"]) == "Allgäu Dairy <sales@allgaeu-dairy.example>"
    assert mail["Subject"] == "Milk, größer 5 t"
    assert mail["Message-ID"] == "<0123456789abcdef@choco.example>"
    assert mail["Date"].datetime == datetime.fromtimestamp(TIME // 10**9, UTC)
    assert mail["Auto-Submitted"] == "auto-generated"
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().splitlines() == ["Grüße"]
    assert "<p>Grüße</p>" in html.get_content()


def test_a_mail_passes_relays_that_know_seven_bits_and_short_lines_only() -> None:
    for text in ("Grüße\n", "ß" * 5000 + "\n", "x" * 5000 + "\n"):
        whole = compose(message(text=text), SENDER).as_bytes()
        assert whole.isascii()
        assert max(map(len, whole.split(b"\r\n"))) <= 998


def test_no_text_can_smuggle_a_header_in() -> None:
    for changes in ({"subject": "x\r\nBcc: all@example.com"}, {"name": "x\nBcc: all@example.com"}, {"email": "a b@c"}):
        with pytest.raises(MailRefused):
            compose(message(**changes), SENDER)


@given(st.text(max_size=80), st.text(max_size=80))
def test_whatever_an_event_says_the_subject_is_one_line_and_nothing_else_is_added(said: str, customer: str) -> None:
    facts = {"fields": SimpleNamespace(OrderId=said, Quantity=60, Product="Dark"), "time": datetime.now(UTC)}
    contact = Contact.model_construct(name=customer, email="a@b.example")
    text = Texts(SENDER).write("bulk_order", contact, facts)
    mail = parsed(compose(message(subject=text.subject, text=text.body), SENDER).as_bytes())
    usual = {"from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version", "content-type"}
    assert {name.lower() for name in mail} == usual
    assert len(text.subject.splitlines()) == 1


def test_the_html_twin_has_tables_for_facts_and_escapes_what_looks_like_markup() -> None:
    html = to_html("Dear A & B,\nhow < are > you\n\nStock: 5 kg\nLimit: <b>\n\nNote: alone\n")
    assert "<p>Dear A &amp; B,<br>how &lt; are &gt; you</p>" in html
    assert "<tr><td>Stock</td><td>5 kg</td></tr><tr><td>Limit</td><td>&lt;b&gt;</td></tr></table>" in html
    assert "<p>Note: alone</p>" in html


def test_numbers_are_written_for_people() -> None:
    values = (12_400.0, 1_234_567.8, 18.25, 0.5, 100, 0, -3.14159, True, None, "as it is")
    assert [number(value) for value in values] == [
        "12,400", "1,234,568", "18.25", "0.5", "100", "0", "-3.14", "True", "unknown", "as it is",
    ]  # fmt: skip


def test_browse_names_become_words() -> None:
    assert [words(name) for name in ("CocoaButter", "Beans", "Dark 70 %")] == ["cocoa butter", "beans", "Dark 70 %"]


def test_an_own_text_replaces_the_shipped_one_of_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "restock.txt").write_text("Subject: {{ parts.material }}\n\nBring some, {{ contact.name }}.\n")
    text = Texts(SENDER, tmp_path).write("restock", SUPPLIER, {"parts": SimpleNamespace(material="Milk")})
    assert (text.subject, text.body) == ("Milk", "Bring some, Allgäu Dairy.\n")
    assert Texts(SENDER, tmp_path).unknown_names("bulk_order", ["fields", "time"]) == []


def test_a_text_may_include_another(own_text: Callable[[str], Texts], tmp_path: Path) -> None:
    (tmp_path / "greeting.txt").write_text("Kind regards")
    assert own_text("Subject: S\n\n{% include 'greeting.txt' %}").write("own", SUPPLIER, {}).body == "Kind regards\n"


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("Hello\n\nno subject", "first line is 'Subject: …'"),
        ("Subject: \n\nbody", "first line is 'Subject: …'"),
        ("Subject: s\n\n  \n", "first line is 'Subject: …'"),
        ("Subject: s\nbody at once", "first line is 'Subject: …'"),
        ("Subject: s\n\n{% if %}", "Expected an expression"),
        ("Subject: s\n\n{{ nothing }}", "'nothing' is undefined"),
        ("Subject: s\n\n{{ sender.nothing }}", "nothing"),
        ("Subject: s\n\n{{ 1 / 0 }}", "division by zero"),
        ("Subject: s\n\n{{ ''.__class__.__mro__ }}", "unsafe"),
        ("Subject: s\n\n{{ sender | nothing }}", "No filter named 'nothing'"),
    ],
)
def test_a_text_that_cannot_be_written_says_why(own_text: Callable[[str], Texts], source: str, complaint: str) -> None:
    with pytest.raises(TextError, match=complaint) as caught:
        own_text(source).write("own", SUPPLIER, {})
    assert "'own'" in str(caught.value)


@pytest.mark.parametrize("name", ["missing", "../../etc/passwd", "", "a/b"])
def test_a_text_that_does_not_exist_is_named(name: str) -> None:
    with pytest.raises(TextError, match="template"):
        Texts(SENDER).write(name, SUPPLIER, {})


@pytest.mark.parametrize("address", ["a@b", "first.last+tag@sub.example.com", "x@localhost"])
def test_mail_addresses_are_recognised(address: str) -> None:
    assert is_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a",
        "@b",
        "a@",
        "a b@c",
        "a@b@c",
        "a@b\n",
        "<a@b>",
        "a@-b",
        "a@b..c",
        "1 Main Street",
        "ä@b",
        "a@" + "b" * 300,
    ],
)
def test_what_is_no_mail_address_is_not_written_to(address: str) -> None:
    assert not is_address(address)


async def test_the_outbox_writes_one_whole_file_a_mail_also_at_a_second_try(tmp_path: Path) -> None:
    folder = tmp_path / "not yet" / "outbox"
    way = Outbox(outbox(folder))
    await way.send(message())
    await way.send(message())
    (file,) = folder.iterdir()
    assert file.name == "20260921T141320Z-restock-0123456789ab.eml"
    mail = parsed(file.read_bytes())
    assert str(mail["From"]) == "Conche chocolate line 1 <line1@choco.example>"
    assert mail["Subject"] == "Milk, größer 5 t"


async def test_an_outbox_that_cannot_be_written_is_tried_later(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("a file is in the way")
    with pytest.raises(NotConnected, match="outbox"):
        await Outbox(outbox(tmp_path / "outbox")).send(message())


async def test_no_half_written_mail_is_ever_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NotConnected, match="No space left"):
        await Outbox(outbox(tmp_path)).send(message())
    assert list(tmp_path.glob("*.eml")) == []
