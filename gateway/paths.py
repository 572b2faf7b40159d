"""Paths of what the gateway reads: relative to the settings file that names them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

FOLDER = "folder"
"""Key of the settings file's folder in the context of a validation."""


def _beside(path: Path | None, info: ValidationInfo) -> Path | None:
    folder: Path | None = (info.context or {}).get(FOLDER)
    return path if path is None or folder is None else folder / path.expanduser()


Beside = Annotated[Path | None, AfterValidator(_beside)]
"""A file or folder to read. What the gateway writes is a plain Path: settings may lie where nobody may write."""
