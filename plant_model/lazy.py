"""Attributes that are computed when somebody first asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Owner = TypeVar("Owner")
Value = TypeVar("Value")


class Lazy(Generic[Owner, Value]):
    """As functools.cached_property, without the lock that it takes up to Python 3.11: for what one thread looks at."""

    def __init__(self, compute: Callable[[Owner], Value]) -> None:
        self.__doc__ = compute.__doc__
        self._compute = compute

    def __set_name__(self, _: type[Owner], name: str) -> None:
        self._name = name

    def __get__(self, owner: Owner, _: type[Owner]) -> Value:
        value = self._compute(owner)
        owner.__dict__[self._name] = value  # from now on found before this
        return value
