"""Patterns over browse paths: `Warehouse/{material}/Level` matches a path of three names and captures one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import cycle

from gateway.naming import parts

_PART = re.compile(r"\{([A-Za-z_]\w*)\}")


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A browse path with named parts; a part stays within one browse name."""

    segments: tuple[re.Pattern[str], ...]

    @classmethod
    def parse(cls, text: str) -> PathPattern:
        """Read `Machines/{line}/Components/{station}/Process/Level`. ValueError says what is wrong."""
        names = parts(text)
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{text!r}: {', '.join(repeated)} stands more than once")
        if re.search(r"[{}]", _PART.sub("", text)):
            raise ValueError(f"{text!r}: braces hold one name each, as in {{material}}")
        if "" in text.split("/"):
            raise ValueError(f"{text!r}: a browse name is empty; names are separated by one '/'")
        return cls(tuple(map(_segment, text.split("/"))))

    def match(self, path: tuple[str, ...]) -> dict[str, str] | None:
        """The named parts of this path; None when it does not match."""
        if len(path) != len(self.segments):
            return None
        names: dict[str, str] = {}
        for segment, name in zip(self.segments, path, strict=True):
            found = segment.fullmatch(name)
            if found is None:
                return None
            names |= found.groupdict()
        return names


def _segment(text: str) -> re.Pattern[str]:
    """A regular expression for one browse name: literal, part, literal, part … literal."""
    pieces = zip(_PART.split(text), cycle((True, False)))
    return re.compile("".join(re.escape(piece) if literal else f"(?P<{piece}>.+)" for piece, literal in pieces))
