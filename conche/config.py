"""YAML into plain data with the line of everything: ${ENV}, ${ENV:-default}, X_file; every problem is said at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import yaml

from conche.phrases import plain

Place = tuple[str | int, ...]
"""Where something stands in a document: ("plant", "speed"), ("sinks", 0, "port")."""

ReadText = Callable[[Path], str]
"""How a file is read. May raise OSError or UnicodeDecodeError."""

T = TypeVar("T")
_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_REFERENCE = re.compile(r"\$(?P<literal>\$)?\{(?P<inside>[^}]*)\}")
_VARIABLE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>.*))?", re.DOTALL)
_FILE = "_file"
# The core schema of YAML 1.2: "no" and 06:00 are texts, 1e-3 is a number.
_TYPES: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (re.compile(r"~|null|Null|NULL|"), lambda _: None),
    (re.compile(r"true|True|TRUE|false|False|FALSE"), lambda text: text.lower() == "true"),
    (re.compile(r"[-+]?[0-9]+"), int),
    (re.compile(r"0o[0-7]+"), lambda text: int(text, 8)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: int(text, 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"), lambda text: float(text.replace(".", ""))),
)


class Problem(Protocol):
    """What a room finds wrong with its settings."""

    @property
    def path(self) -> Place:
        """Where, from the top of what the room was given."""
        ...

    @property
    def message(self) -> str:
        """What is wrong and what to do."""
        ...


@dataclass(frozen=True, slots=True)
class OwnProblem:
    """A `Problem` of this room."""

    path: Place
    message: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong in a file. As text: `config/demo.yaml:12: plant.speed: must be positive`."""

    file: Path
    line: int
    place: Place
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        return where + (f"{'.'.join(map(str, self.place))}: " if self.place else "") + self.message


class ConfigError(Exception):
    """The settings cannot be used; `findings` says everything that is wrong, in the order of the lines."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(sorted(findings, key=lambda finding: (str(finding.file), finding.line)))
        super().__init__("\n".join(map(str, self.findings)))


@dataclass(frozen=True, slots=True)
class Document:
    """A file that could be read. Where `findings` tells of a place, the data there is None."""

    file: Path
    data: dict[str, Any]
    lines: Mapping[Place, int]
    findings: tuple[Finding, ...]

    def find(self, place: Place, message: str) -> Finding:
        """Attach file and line; what is not there (a missing key) gets the line of what should hold it."""
        held = next(place[:n] for n in range(len(place), -1, -1) if place[:n] in self.lines)
        return Finding(self.file, self.lines[held], place, message)

    def locate(self, problems: Iterable[Problem], below: Place = ()) -> Iterator[Finding]:
        """The findings of a room's problems with the data at `below`, less those that the reader's own explain."""
        known = [finding.place for finding in self.findings]
        for problem in problems:
            place = (*below, *problem.path)
            if not any(place[: len(one)] == one for one in known):
                yield self.find(place, plain(problem.message))


def read_text(file: Path) -> str:
    """The text of a file."""
    return file.read_text(encoding="utf-8")


def load(file: Path, environment: Mapping[str, str], read: ReadText = read_text) -> Document:
    """Read a YAML file that holds a mapping. Raises ConfigError when nothing can be made of it.

    `${NAME}` is the environment's value, `${NAME:-default}` has a default for when it is unset or empty, `$${` is a
    plain `${`. What was filled in is typed like YAML unless it is quoted. `X_file: path` means X: the stripped content
    of that file, its path relative to this one.
    """
    node = _compose(file, read)
    reader = _Reader(file, environment, read)
    data = {} if node is None else reader.value(node, ())
    if not isinstance(data, dict):
        raise ConfigError([Finding(file, 1, (), "must be a mapping of settings: `name: value` lines")])
    return Document(file, data, {(): 1} | reader.lines, tuple(reader.findings))


def _compose(file: Path, read: ReadText) -> yaml.Node | None:
    try:
        node: yaml.Node | None = yaml.compose(read(file), Loader=_Loader)
    except OSError as error:
        raise ConfigError([Finding(file, 0, (), f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([Finding(file, 0, (), "is not UTF-8 text")]) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        words = ", ".join(filter(None, (error.context, error.problem)))
        raise ConfigError([Finding(file, line, (), f"is not YAML: {words}")]) from error
    except yaml.YAMLError as error:
        raise ConfigError([Finding(file, 0, (), f"is not YAML: {error}")]) from error
    return node


class _Reader:
    """Makes plain data of nodes, noting lines and findings on the way."""

    def __init__(self, file: Path, environment: Mapping[str, str], read: ReadText) -> None:
        self._file = file
        self._environment = environment
        self._read = read
        self._open: list[yaml.Node] = []
        self.lines: dict[Place, int] = {}
        self.findings: list[Finding] = []

    def value(self, node: yaml.Node, place: Place) -> Any:  # noqa: ANN401 - YAML holds anything
        """The plain data of a node."""
        self.lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, place)
        if node in self._open:
            return self._wrong(place, "an alias of something that holds it: it would never end")
        self._open.append(node)
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.value(item, (*place, index)) for index, item in enumerate(node.value)]
            return dict(self._entries(node, place))
        finally:
            self._open.pop()

    def _wrong(self, place: Place, message: str) -> None:
        self.findings.append(Finding(self._file, self.lines[place], place, message))

    def _scalar(self, node: yaml.ScalarNode, place: Place) -> Any:  # noqa: ANN401
        if not node.tag.endswith(":str"):
            return self._wrong(place, f"the tag {node.tag} is not used here")
        text = self._filled(node.value, place)
        return text if node.style or text is None else _typed(text)

    def _filled(self, text: str, place: Place) -> str | None:
        """The text with the environment filled in; None when something is missing."""
        before = len(self.findings)
        filled = _REFERENCE.sub(lambda reference: self._resolved(reference, place), text)
        return filled if len(self.findings) == before else None

    def _resolved(self, reference: re.Match[str], place: Place) -> str:
        if reference["literal"]:
            return reference[0][1:]
        variable = _VARIABLE.fullmatch(reference["inside"])
        if variable is None:
            self._wrong(place, f"cannot read {reference[0]}: write ${{NAME}} or ${{NAME:-default}}")
            return ""
        value = self._environment.get(variable["name"])
        if variable["default"] is not None:
            return value or variable["default"]
        if value is None:
            self._wrong(place, f"the environment variable {variable['name']} is not set")
        return value or ""

    def _entries(self, node: yaml.Node, place: Place) -> Iterator[tuple[str, Any]]:
        first: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is None:
                self.findings.append(Finding(self._file, line, place, "a key must be a plain word"))
                continue
            is_file = name.endswith(_FILE) and isinstance(value, yaml.ScalarNode)
            meant = name.removesuffix(_FILE) if is_file else name
            if meant in first:
                message = f"is given twice, first in line {first[meant]}"
                self.findings.append(Finding(self._file, line, (*place, name), message))
                continue
            first[meant] = line
            self.lines[*place, meant] = line
            given = self.value(value, (*place, meant))
            yield meant, self._content(given, (*place, meant)) if is_file else given

    def _content(self, name: object, place: Place) -> str | None:
        if name is None:
            return None  # said already, or left empty
        path = self._file.parent / Path(str(name)).expanduser()
        try:
            return self._read(path).strip()
        except OSError as error:
            self._wrong(place, f"cannot read the file {path}: {error.strerror}")
        except UnicodeDecodeError:
            self._wrong(place, f"the file {path} is not UTF-8 text")
        return None


def _typed(text: str) -> Any:  # noqa: ANN401
    return next((make(text) for pattern, make in _TYPES if pattern.fullmatch(text)), text)


class Findings:
    """Gathers what is wrong in several files, so that all of it is said at once."""

    def __init__(self, read: ReadText = read_text) -> None:
        self._read = read
        self._all: list[Finding] = []

    def load(self, file: Path, environment: Mapping[str, str]) -> Document:
        """Read a file; what is wrong with it is kept, and an unreadable one counts as empty."""
        try:
            document = load(file, environment, self._read)
        except ConfigError as error:
            return self.refuse(file, error.findings)
        self._all.extend(document.findings)
        return document

    def refuse(self, file: Path, why: Iterable[Finding]) -> Document:
        """Keep why a file cannot be used; it counts as empty, and nothing more is said about it."""
        self._all.extend(why)
        return Document(file, {}, {(): 0}, (Finding(file, 0, (), ""),))

    def parse(self, document: Document, parse: Callable[[Any], T], error: type[Exception]) -> T | None:
        """Let a room parse a document; its `error` carries `problems`. None when it found any."""
        return self.parse_section(document, (), document.data, parse, error)

    def parse_section(
        self, document: Document, place: Place, data: object, parse: Callable[[Any], T], error: type[Exception]
    ) -> T | None:
        """Let a room parse the `data` that stands at a place of a document."""
        try:
            return parse(data)
        except error as wrong:
            problems: Iterable[Problem] = wrong.problems  # type: ignore[attr-defined]
            self._all.extend(document.locate(problems, place))
        return None

    def add(self, document: Document, place: Place, message: str) -> None:
        """Say that something is wrong at a place, unless it is explained already."""
        self._all.extend(document.locate([OwnProblem(place, message)]))

    def settle(self) -> None:
        """Raise ConfigError if anything was found."""
        if self._all:
            raise ConfigError(self._all)
