"""Glob patterns on browse paths: `*` within one name, `**` across names, "Machines/**", "**/Energy/*"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_TOKENS = re.compile(r"\*\*/|/\*\*$|\*\*|\*|\?|[^*?/]+|/")
_MEANING = {"**/": "(?:.*/)?", "/**": "(?:/.*)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def compiled(pattern: str) -> re.Pattern[str]:
    """The regular expression of a glob pattern; it matches whole paths."""
    return re.compile("".join(_MEANING.get(token) or re.escape(token) for token in _TOKENS.findall(pattern)) + r"\Z")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which part of the address space is wanted."""

    roots: tuple[tuple[str, ...], ...]
    include: tuple[re.Pattern[str], ...]
    exclude: tuple[re.Pattern[str], ...]

    @classmethod
    def of(cls, roots: Iterable[str], include: Iterable[str], exclude: Iterable[str]) -> Selection:
        """A selection from settings: roots are paths below Objects, none means all."""
        paths = tuple(tuple(root.strip("/").split("/")) for root in roots)
        return cls(paths, tuple(map(compiled, include)), tuple(map(compiled, exclude)))

    def leads_on(self, path: tuple[str, ...]) -> bool:
        """Whether something wanted may be below this path: it is in a root or on the way to one."""
        return not self.roots or any(path[: len(root)] == root[: len(path)] for root in self.roots)

    def takes(self, path: tuple[str, ...]) -> bool:
        """Whether the variable at this path is wanted."""
        if self.roots and not any(path[: len(root)] == root for root in self.roots):
            return False
        text = "/".join(path)
        return any(p.match(text) for p in self.include) and not any(p.match(text) for p in self.exclude)
