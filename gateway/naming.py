"""Names: templates turn the browse path of a tag into named parts, and named parts into topics, series and ids.

The one place names come from. A template is a path whose levels are literal text or hold `{part}`s:
`Machines/{line}/Components/{station}/{group}/{tag}` names four parts of a path of six levels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema

from gateway.contract import GatewayError
from gateway.values import Tag

SOURCE = "source"
"""The part that every tag has: the name of its server in the settings."""

UNIT = "unit"
"""The engineering unit of a value, as InfluxDB has it among its tags: no part that naming gives."""

_OWN = {SOURCE: "the name of the server", UNIT: "the engineering unit of a value"}
_PART = re.compile(r"\{([A-Za-z_]\w*)\}")


class NamingError(GatewayError):
    """A name cannot be formed: a template asks for a part that the naming settings do not give."""


def parts(template: str) -> tuple[str, ...]:
    """The parts that a template names, in order."""
    return tuple(_PART.findall(template))


def fill(template: str, names: Mapping[str, str]) -> str:
    """The template with every `{part}` replaced. Raises NamingError on a part that is missing."""
    try:
        return _PART.sub(lambda match: names[match[1]], template)
    except KeyError as error:
        raise NamingError(
            f"{error.args[0]!r} in {template!r} is not known: have naming.paths or .constants set it"
        ) from error


def _template(text: str) -> str:
    if "{" in _PART.sub("", text) or "}" in _PART.sub("", text):
        raise ValueError(f"{text!r} has a brace that belongs to no {{part}}")
    return text


Template = Annotated[str, Field(min_length=1), AfterValidator(_template)]
"""Text with `{part}`s in it, as settings hold it."""


class PathTemplate(BaseModel):
    """One form that browse paths have. In YAML either the template alone, or {match: template, set: {part: text}}."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    match: Template = Field(description="Levels separated by '/': literal text, or {part} to capture.")
    set: dict[str, Template] = Field(default_factory=dict, description="Further parts, formed from captured ones.")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:  # noqa: ANN401 - whatever the file says
        return {"match": data} if isinstance(data, str) else data

    @field_validator("match")
    @classmethod
    def _captures_once(cls, match: str) -> str:
        captured = parts(match)
        if len(set(captured)) < len(captured):
            raise ValueError(f"{match!r} captures a part twice")
        return match

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, handler(core)]}

    def gives(self) -> frozenset[str]:
        """The parts that a path of this form has beside the constants."""
        return frozenset(parts(self.match)) | self.set.keys()


class NamingSettings(BaseModel):
    """How browse paths become names. The first template that fits a path names it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    constants: dict[str, str] = Field(default_factory=dict, description="Parts that every tag has: enterprise, site …")
    paths: tuple[PathTemplate, ...] = Field(default=(), description="Forms of browse paths, tried in order.")

    @field_validator("paths")
    @classmethod
    def _set_from_known_parts(cls, paths: tuple[PathTemplate, ...], info: ValidationInfo) -> tuple[PathTemplate, ...]:
        constants = info.data.get("constants", {})
        for path in paths:
            for part, text in path.set.items():
                if unknown := set(parts(text)) - set(parts(path.match)) - constants.keys():
                    raise ValueError(f"set.{part} of {path.match!r} names {_listed(unknown)}, which nothing gives")
        return paths

    @model_validator(mode="after")
    def _own_parts_are_taken(self) -> Self:
        for part, meaning in _OWN.items():
            if part in self.constants or any(part in path.gives() for path in self.paths):
                raise ValueError(f"{{{part}}} is {meaning} and cannot be given: choose another word")
        return self


class Naming:
    """The templates, ready to be used."""

    def __init__(self, settings: NamingSettings) -> None:
        self.constants: Mapping[str, str] = dict(settings.constants)
        self._paths = settings.paths
        self._patterns = [(_levels(path.match), path.set) for path in settings.paths]

    def names(self, path: tuple[str, ...]) -> dict[str, str]:
        """All named parts of a browse path, constants included; {} when no template fits."""
        for levels, extra in self._patterns:
            captured = _capture(levels, path)
            if captured is not None:
                known = {**self.constants, **captured}
                return known | {part: fill(text, known) for part, text in extra.items()}
        return {}

    def of(self, tag: Tag) -> dict[str, str]:
        """The named parts of a tag and its `source`. Raises NamingError when no template fits its path."""
        names = self.names(tag.path)
        if not names:
            raise NamingError(f"no template of naming.paths fits {'/'.join(tag.path)!r}: add one with its levels")
        return names | {SOURCE: tag.source}

    def problems(self, template: str, *, constants_only: bool = False) -> tuple[str, ...]:
        """Why a template cannot be filled for every tag that has names; () when it can.

        `constants_only` is for names that stand for no single tag, such as the id of an edge node.
        """
        wanted = set(parts(template)) - self.constants.keys()
        if constants_only:
            return (f"{template!r} needs {_listed(wanted)} in naming.constants",) if wanted else ()
        gaps = ((path.match, wanted - path.gives() - {SOURCE}) for path in self._paths)
        return tuple(f"{template!r} needs {_listed(gap)}, which {match!r} does not give" for match, gap in gaps if gap)

    def require(self, *templates: str, constants_only: bool = False) -> None:
        """Raise NamingError with everything that problems() finds in the templates."""
        found = [text for t in templates for text in self.problems(t, constants_only=constants_only)]
        if found:
            raise NamingError("; ".join(found))


def _listed(unknown: Iterable[str]) -> str:
    return ", ".join(f"{{{part}}}" for part in sorted(unknown))


def _levels(template: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(_pattern(level), re.DOTALL) for level in template.split("/"))


def _pattern(level: str) -> str:
    """A regular expression for one level; an odd element of the split is the name of a part."""
    pieces = _PART.split(level)
    return "".join(f"(?P<{p}>.+?)" if i % 2 else re.escape(p) for i, p in enumerate(pieces))


def _capture(levels: tuple[re.Pattern[str], ...], path: tuple[str, ...]) -> dict[str, str] | None:
    if len(levels) != len(path):
        return None
    captured: dict[str, str] = {}
    for level, name in zip(levels, path, strict=True):
        match = level.fullmatch(name)
        if match is None:
            return None
        captured |= match.groupdict()
    return captured
