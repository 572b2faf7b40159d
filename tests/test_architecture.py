"""The house keeps its plan: doors between rooms, no cycles, short functions and files, words for every public name."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("conche", "opcua_server", "plant_model", "gateway")
DOORS = {
    "conche": {"conche", "opcua_server", "plant_model", "gateway"},
    "opcua_server": {"opcua_server", "plant_model"},
    "plant_model": {"plant_model"},
    "gateway": {"gateway"},
}
FOREIGN_LIBRARY_HOMES = {
    "asyncua": ("opcua_server/", "gateway/opcua/"),
    "simpy": ("plant_model/clock.py",),
    "paho": ("gateway/sinks/mqtt_session.py", "conche/watch.py"),
    "influxdb_client": ("gateway/sinks/influx_http.py",),
    "urllib3": ("gateway/sinks/influx_http.py",),
    "httptools": ("gateway/sinks/influx_connection.py",),
    "google": ("gateway/sinks/sparkplug",),
    "boto3": ("gateway/notify/ses.py",),
    "botocore": ("gateway/notify/ses.py",),
    "smtplib": ("gateway/notify/smtp.py",),
    "nicegui": ("gateway/page/",),
    "prometheus_client": ("gateway/metrics.py",),
    "jinja2": ("gateway/notify/",),
    "amqtt": ("conche/broker.py",),
    "yaml": ("conche/",),
    "argon2": ("opcua_server/",),
    "typer": ("conche/",),
    "rich": ("conche/",),
}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in found if "node_modules" not in path.parts]


def parsed(paths: list[Path]) -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text()) for path in paths}


SOURCES = sources(*ROOMS)
TREES = parsed(SOURCES)
TESTS = parsed(sources("tests"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def module(path: Path) -> str:
    return name(path).removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def imported(node: ast.AST) -> Iterator[str]:
    """Module names of an import statement; of `from a import b` both `a` and `a.b`, as b may be a module."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        assert node.module is not None
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports(tree: ast.AST) -> set[str]:
    return {target for node in ast.walk(tree) for target in imported(node)}


def is_type_checking(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def imports_at_load(tree: ast.Module) -> set[str]:
    return {target for node in tree.body if not is_type_checking(node) for target in imported(node)}


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_room_imports_only_through_its_doors(path: Path) -> None:
    used = {target.split(".")[0] for target in imports(TREES[path])} & set(ROOMS)
    assert used <= DOORS[path.relative_to(ROOT).parts[0]]


@pytest.mark.parametrize("library", FOREIGN_LIBRARY_HOMES)
def test_a_foreign_library_is_known_in_one_place(library: str) -> None:
    homes = FOREIGN_LIBRARY_HOMES[library]
    users = [name(path) for path, tree in TREES.items() if library in {t.split(".")[0] for t in imports(tree)}]
    assert users, f"nobody uses {library}: take it out of this table and the requirements"
    assert [user for user in users if not user.startswith(homes)] == []


def test_the_modules_import_each_other_without_cycles() -> None:
    modules = {module(path): imports_at_load(tree) for path, tree in TREES.items()}
    graph = {one: {other for other in targets if other in modules} - {one} for one, targets in modules.items()}
    while leaves := {one for one, targets in graph.items() if not targets & graph.keys()}:
        graph = {one: targets for one, targets in graph.items() if one not in leaves}
    assert sorted(graph) == []


def functions(tree: ast.Module) -> list[Function]:
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def length(function: Function) -> int:
    """Lines of a function, its decorators and docstring left out."""
    first = function.body[0]
    has_words = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    words = (first.end_lineno or 0) - first.lineno + 1 if has_words else 0
    return (function.end_lineno or 0) - function.lineno + 1 - words


@pytest.mark.parametrize("trees", [TREES, TESTS], ids=["product", "tests"])
def test_functions_are_short(trees: dict[Path, ast.Module]) -> None:
    lengths = {f"{name(p)}:{f.lineno} {f.name}": length(f) for p, tree in trees.items() for f in functions(tree)}
    assert {where: n for where, n in lengths.items() if n > 60} == {}
    assert statistics.median(lengths.values()) <= 7
    assert statistics.quantiles(lengths.values(), n=10)[-1] <= 25


@pytest.mark.parametrize("paths", [TREES, TESTS], ids=["product", "tests"])
def test_files_are_short(paths: Iterable[Path]) -> None:
    lengths = {name(path): len(path.read_text().splitlines()) for path in paths}
    assert {where: n for where, n in lengths.items() if n > 400} == {}
    assert statistics.median(lengths.values()) <= 150


def public_names(tree: ast.Module) -> Iterator[ast.ClassDef | Function]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (m for m in node.body if isinstance(m, Function) and not m.name.startswith("_"))


@pytest.mark.parametrize("path", [p for p in SOURCES if p.stat().st_size], ids=name)
def test_every_module_and_public_name_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(TREES[path]), "the module has no docstring"
    assert [f"{node.lineno} {node.name}" for node in public_names(TREES[path]) if not ast.get_docstring(node)] == []


def tracked_text_files() -> Iterator[tuple[str, str]]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
    for file in filter(None, listed.stdout.split("\0")):
        try:
            yield file, (ROOT / file).read_text()
        except (UnicodeDecodeError, FileNotFoundError):
            continue


def test_no_file_names_a_package_index() -> None:
    index = re.compile(r"pypi\.(?:org|python)|files\.pythonhosted|registry\.npmjs|--(?:extra-)?index-url|--find-links")
    own = name(Path(__file__))
    assert [file for file, text in tracked_text_files() if file != own and index.search(text)] == []
