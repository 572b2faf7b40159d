"""What goes over MQTT: messages, and topics that every broker takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from gateway.naming import NamingError, Template, fill
from gateway.sinks.varint import varint

_LONGEST = 65535  # bytes of a topic (MQTT 5, 1.5.4)
_FORBIDDEN = re.compile("[+#/\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")

TopicTemplate = Annotated[Template, Field(pattern=r"^[^+#\x00]+$")]
"""A template of a topic: its own text has no wildcards; what its parts bring along is cleaned by topic()."""


@dataclass(frozen=True, slots=True)
class Message:
    """One PUBLISH."""

    topic: str
    payload: bytes
    qos: Literal[0, 1] = 0
    retain: bool = False


def packet(message: Message, number: int, *, properties: bool) -> bytes:
    """A message as it goes over the wire (3.3 of both versions): QoS 1 with its number, MQTT 5 with (no) properties."""
    name = message.topic.encode()
    between = (number.to_bytes(2, "big") if message.qos else b"") + (b"\0" if properties else b"")
    length = 2 + len(name) + len(between) + len(message.payload)
    head = bytes((0x30 | message.qos << 1 | message.retain,))
    return b"".join((head, varint(length), len(name).to_bytes(2, "big"), name, between, message.payload))


def topic(template: str, names: Mapping[str, str]) -> str:
    """The template filled for MQTT: what a topic level must not contain becomes "_". Raises NamingError."""
    filled = fill(template, {part: level(text) for part, text in names.items()})
    if len(filled.encode()) > _LONGEST:
        raise NamingError(f"a topic has at most 65,535 bytes: {filled[:80]!r} … is longer")
    return filled


def level(text: str) -> str:
    """One level of a topic: no wildcards, separators, control characters or what is no character; never empty."""
    return _FORBIDDEN.sub("_", text) or "_"
