"""What a browser wants to see, kept in its address: it survives a restart of the gateway and can be bookmarked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

WINDOWS = {900: "15 min", 3600: "1 h", 86_400: "24 h"}
"""Time windows of the trends, in seconds, and their names."""

THEMES = {"auto": None, "dark": True, "light": False}
"""Names of the themes, and whether they are dark; None = as the browser prefers."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Tags of the trends (none = the first ones of the settings), their window in seconds, the theme."""

    tags: tuple[int, ...] = ()
    window_s: int = min(WINDOWS)
    theme: str = "auto"

    def address(self) -> str:
        """The page's address with this wish in it."""
        query = {"tags": ",".join(map(str, self.tags)), "window": self.window_s, "theme": self.theme}
        return "/?" + urlencode(query, safe=",")


def read_wish(query: Mapping[str, str]) -> Wish:
    """The wish in an address's query; what cannot be understood is as if it were not there."""
    tags = tuple(int(tag) for tag in query.get("tags", "").split(",") if tag.isascii() and tag.isdigit())
    windows = {str(window): window for window in WINDOWS}
    theme = query.get("theme", "")
    return Wish(
        tags,
        windows.get(query.get("window", ""), min(WINDOWS)),
        theme if theme in THEMES else "auto",
    )
