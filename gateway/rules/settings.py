"""What a person may write under `rules:`; errors name the key they belong to."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from gateway.naming import Template, parts
from gateway.rules.patterns import PathPattern

T = TypeVar("T")

_PERCENT = re.compile(r"(\d+(?:\.\d+)?) ?%")
_DAY_S = 86_400


def _checked_path(text: str) -> str:
    PathPattern.parse(text)
    return text


def _number(value: object) -> float | None:
    """The number, which may come as text out of an environment variable. None: it is none. ValueError: infinite."""
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except ValueError:
        return None
    if number is not None and not math.isfinite(number):
        raise ValueError("a finite number, please")
    return number


def _checked_limit(value: object) -> object:
    number = _number(value)
    if number is None and not isinstance(value, str):
        raise ValueError("a limit is a number, or the path of the tag that holds it")
    return _checked_path(str(value)) if number is None else number


def _checked_margin(value: object) -> object:
    number = _number(value)
    if (number is None or number < 0) and not (isinstance(value, str) and _PERCENT.fullmatch(value)):
        raise ValueError("a hysteresis is a number in the unit of the tag, 0 or more, or a share of the limit: '5 %'")
    return value if number is None else number


Path = Annotated[str, AfterValidator(_checked_path)]
"""A pattern over browse paths: `Warehouse/{material}/Level`."""

Limit = Annotated[float | str, BeforeValidator(_checked_limit)]
"""A number, or the path of the tag that holds it."""

Margin = Annotated[float | str, BeforeValidator(_checked_margin)]
"""How far beyond the limit a value must go back: in the tag's unit, or `5 %` of the limit."""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class MailTo(_Settings):
    """Which text goes to whom: a contact by book and key, else the address that is given or that the event carries."""

    template: str = Field(description="Name of a text: restock, bulk_order, or a file in notify.templates without .txt")
    to: str | None = Field(default=None, description="A contact book: suppliers")
    key: Template | None = Field(
        default=None, description='Who in the book: "{material}", or an event field: "{Customer}"'
    )
    address: Template | None = Field(default=None, description="Mail address for who is not in the book")

    @model_validator(mode="after")
    def _somebody_gets_it(self) -> MailTo:
        if (self.to is None) != (self.key is None):
            raise ValueError("to (the contact book) and key (who in it) go together")
        if self.to is None and self.address is None:
            raise ValueError("nobody gets this mail: give to and key, or address, or all three")
        return self

    def parts(self) -> set[str]:
        """All named parts in use."""
        return {part for template in (self.key, self.address) if template for part in parts(template)}


class _Rule(_Settings):
    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$", description="Unique; the memory of what was mailed goes by it")


class ThresholdRule(_Rule):
    """A mail when a number crosses a limit, one for each tag that matches, one at each crossing."""

    kind: Literal["threshold"]
    tag: Path = Field(description="The tags to watch: Warehouse/{material}/Level")
    exclude: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Parts to leave out, with * and ?: {material: [Finished*]}"
    )
    below: Limit | None = Field(default=None, description="A number, or a tag: Warehouse/{material}/ReorderPoint")
    above: Limit | None = Field(default=None, description="A number, or a tag")
    hysteresis: Margin = Field(
        default=0.0,
        description="How far a value must go back before the next mail: in the tag's unit, or 5 % of the limit",
    )
    delay_s: float = Field(default=0.0, ge=0, le=_DAY_S, description="The condition must hold for so long")
    cool_down_s: float = Field(
        default=600.0, ge=0, le=31 * _DAY_S, description="A further crossing waits until so long after the last mail"
    )
    related: dict[str, Path] = Field(
        default_factory=dict, alias="with", description="Tags whose values the text shows, by name"
    )
    mail: MailTo = Field(description="Which text goes to whom")

    @field_validator("exclude")
    @classmethod
    def _exclude_known_parts(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        return _with_known_parts(value, set(value), info)

    @field_validator("below", "above")
    @classmethod
    def _limit_of_known_parts(cls, value: float | str | None, info: ValidationInfo) -> float | str | None:
        return _with_known_parts(value, set(parts(value)) if isinstance(value, str) else set(), info)

    @field_validator("related")
    @classmethod
    def _related_of_known_parts(cls, value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        return _with_known_parts(value, {part for pattern in value.values() for part in parts(pattern)}, info)

    @field_validator("mail")
    @classmethod
    def _mail_of_known_parts(cls, value: MailTo, info: ValidationInfo) -> MailTo:
        return _with_known_parts(value, value.parts(), info)

    @model_validator(mode="after")
    def _one_limit(self) -> ThresholdRule:
        if (self.below is None) == (self.above is None):
            raise ValueError("a threshold is either below or above: give one of the two")
        return self

    @property
    def limit(self) -> float | str:
        """The limit: a number, or a path pattern."""
        limit = self.above if self.below is None else self.below
        assert limit is not None
        return limit

    @property
    def margin(self) -> tuple[float, float]:
        """The hysteresis as (absolute, share of the limit)."""
        if isinstance(self.hysteresis, str):
            found = _PERCENT.fullmatch(self.hysteresis)
            assert found is not None
            return 0.0, float(found[1]) / 100
        return self.hysteresis, 0.0


class FieldCondition(_Settings):
    """What a field of an event must be: `{field: Quantity, op: ">=", value: 50}`."""

    field: str = Field(min_length=1, description="Browse name of the field: Quantity")
    op: Literal["==", "!=", "<", "<=", ">", ">="] = Field(description="How the field is compared with the value")
    value: bool | int | float | str = Field(description="A number, a text, true or false")

    @field_validator("value", mode="before")
    @classmethod
    def _comparable(cls, value: object) -> object:
        if not isinstance(value, bool | int | float | str) or value != value:  # noqa: PLR0124 - NaN equals nothing
            raise ValueError("a field is compared with a number, a text, true or false")
        return value


class EventRule(_Rule):
    """A mail for every event of a type whose fields meet all conditions."""

    kind: Literal["event"]
    type: str = Field(min_length=1, description="Browse name of the event type: BulkOrderEventType")
    where: tuple[FieldCondition, ...] = Field(default=(), description="Conditions on its fields; all must be met")
    max_age_s: float = Field(
        default=float(_DAY_S), ge=0, le=30 * _DAY_S, description="Events read late from history are news up to this age"
    )
    mail: MailTo = Field(description="Which text goes to whom")


RuleSettings = Annotated[ThresholdRule | EventRule, Field(discriminator="kind")]
"""One entry of `rules:`."""


def _with_known_parts(value: T, used: set[str], info: ValidationInfo) -> T:
    tag = info.data.get("tag")
    if tag is not None and (unknown := sorted(used - set(parts(tag)))):
        raise ValueError(f"{', '.join(f'{{{part}}}' for part in unknown)} is not a part of the rule's tag {tag!r}")
    return value
