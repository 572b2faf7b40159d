"""`conche scenario run` compares, draws, and says what is wrong with a file and where."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from support_plant import FILE
from typer.testing import CliRunner

from conche.commands import app
from conche.config import ConfigError
from conche.executors import executor
from conche.failure import Failure
from conche.scenario import load_studies, load_study

SHIPPED = sorted((FILE.parents[1] / "scenarios").glob("*.yaml"))


def study_file(folder: Path, **facts: object) -> Path:
    file = folder / "mine.yaml"
    short = {"title": "Two <conches>", "plant": str(FILE), "warm_up_d": 0.25, "length_d": 1, "replications": 2}
    data = short | {"scenarios": {"Four": {"set": {"stations.Conching.machines": 4}}}} | facts
    file.write_text(yaml.safe_dump(data, sort_keys=False))
    return file


class Tags(HTMLParser):
    """Counts tags, checks that each is closed, and keeps what is loaded from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_run_prints_a_table_and_writes_one_page_that_needs_nothing_else(tmp_path: Path) -> None:
    file = study_file(tmp_path)
    done = CliRunner().invoke(
        app, ["scenario", "run", str(file), "--reports", str(tmp_path / "out"), "--workers", "1", "--seed", "4"]
    )
    assert done.exit_code == 0, done.output
    assert "Throughput" in done.output
    assert "Four" in done.output
    html = (tmp_path / "out" / "mine.html").read_text()
    tags = Tags()
    tags.feed(html)
    assert tags.open == []
    assert tags.links == []
    assert tags.seen.count("svg") >= 10
    assert "Two &lt;conches&gt;" in html
    assert "seed 4" in html
    assert not re.search(r"\bnan\b", html)
    assert "$" not in html.split("</style>")[1]


def test_every_shipped_file_is_good() -> None:
    assert {file.stem for file in SHIPPED} >= {"bottleneck", "machine_failures", "demand"}
    assert load_studies(SHIPPED, {}).keys() == set(SHIPPED)


def test_mistakes_are_told_with_file_line_and_path(tmp_path: Path) -> None:
    file = study_file(tmp_path, scenarios={"A": {"set": {"stations.Conching.machins": 4}}})
    with pytest.raises(ConfigError) as error:
        load_study(file, {})
    line = next(i for i, text in enumerate(file.read_text().splitlines(), 1) if "machins" in text)
    assert str(error.value).startswith(f"{file}:{line}: scenarios.A.set.stations.Conching.machins: makes a plant")


def test_a_file_without_plant_and_a_plant_that_is_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="plant: is missing: name the plant's file"):
        load_study(study_file(tmp_path, plant=None), {})
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: cannot be read"):
        load_study(study_file(tmp_path, plant="nowhere.yaml"), {})


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file in the way")
    arguments = ["scenario", "run", str(study_file(tmp_path)), "--reports", str(tmp_path / "out"), "--workers", "1"]
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, Failure)
    assert "cannot write the report" in str(done.exception)


def test_a_cluster_without_what_it_needs_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(Failure, match="needs the extra `cluster`"), executor(None, "tcp://127.0.0.1:1"):
        raise AssertionError
