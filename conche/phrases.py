"""A validation library's standing phrases, in the words of a person who edits a settings file."""

from __future__ import annotations

import re

_PHRASES = tuple(
    (re.compile(pattern, re.DOTALL), words)
    for pattern, words in (
        (r"Value error, (.*)", r"\1"),
        (r"Extra inputs are not permitted", "is not a setting here"),
        (r"Field required", "is missing"),
        (r"Unable to extract tag using discriminator '(\w+)'", r"\1 is missing"),
        (
            r"Input tag (.*) found using '(\w+)' does not match .* tags: (.*)",
            r"\2 is \1, not one of \3",
        ),
        (
            r"Input should be a valid (?:dict|mapping).*",
            "must hold settings: lines `name: value`, or {name: value}",
        ),
        (r"Input should be a valid (?:list|tuple).*", "must be a list: lines that begin with `- `, or [a, b]"),
        (r"Input should be a valid string.*", "must be a text: put it in quotes"),
        (r"Input should be a valid integer.*", "must be a whole number"),
        (r"Input should be a valid number.*", "must be a number"),
        (r"Input should be a valid boolean.*", "must be true or false"),
        (r"Input is not a valid path.*", "must be a path"),
        (r"String should have at least 1 character", "must not be empty"),
        (r"\w+ should (be|have|match) (.*)", r"must \1 \2"),
    )
)


def plain(message: str) -> str:
    """The message, or what it means where it is a phrase of the library."""
    for pattern, words in _PHRASES:
        if pattern.fullmatch(message):
            return pattern.sub(words, message, count=1)
    return message
