"""The page's building blocks: elements that are made once and told what to show; they send only what has changed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from gateway.page.model import Cell, Header, Kpi, State, Station, Stock, Unit
from gateway.page.tone import ICONS, Tone

Shown = TypeVar("Shown")


def text(tag: str = "span", classes: str = "", words: str = "") -> TextElement:
    """An HTML element that holds nothing but text."""
    return TextElement(tag=tag, text=words).classes(classes)


def box(tag: str = "div", classes: str = "") -> Element:
    """An HTML element that holds others."""
    return ui.element(tag).classes(classes)


def point_out(element: Element, words: str) -> None:
    """Words that appear when somebody points at the element."""
    element.props.set_optional("title", words or None)


class Part(ABC, Generic[Shown]):
    """Something on the page with one element around it."""

    def __init__(self, root: Element) -> None:
        self.root = root
        self._shown: Shown | None = None
        with root:
            self._build()

    def show(self, what: Shown) -> None:
        """Bring the browser up to date; nothing is sent when nothing has changed."""
        if what != self._shown:
            self._shown = what
            self._put(what)

    @abstractmethod
    def _build(self) -> None:
        """Make the elements, empty."""

    @abstractmethod
    def _put(self, what: Shown) -> None:
        """Fill them."""


class Many(Generic[Shown]):
    """As many parts of a kind as there are things to show, in their order."""

    def __init__(self, root: Element, make: Callable[[], Part[Shown]]) -> None:
        self._root, self._make = root, make
        self._parts: list[Part[Shown]] = []

    def show(self, things: Sequence[Shown]) -> None:
        """One part a thing: parts are added and taken away at the end, and reused in between."""
        with self._root:
            self._parts.extend(self._make() for _ in things[len(self._parts) :])
        for part in self._parts[len(things) :]:
            part.root.delete()
        del self._parts[len(things) :]
        for part, thing in zip(self._parts, things, strict=True):
            part.show(thing)


class Lamp(Part[State]):
    """An icon and a word, both in the state's colour."""

    def __init__(self, name: str = "") -> None:
        self._name = name
        super().__init__(box("span", "lamp"))

    def _build(self) -> None:
        self._icon = ui.icon(ICONS[Tone.NONE])
        self._words = text()

    def _put(self, what: State) -> None:
        self.root.classes(replace=f"lamp tone-{what.tone}")
        self._icon.set_name(ICONS[what.tone])
        self._words.set_text(what.text)
        point_out(self.root, what.detail)


class Finding(Part[str]):
    """Something that is wrong, as an item of a list."""

    def __init__(self) -> None:
        super().__init__(text("li"))

    def _build(self) -> None:
        """The root holds the words."""

    def _put(self, what: str) -> None:
        assert isinstance(self.root, TextElement)
        self.root.set_text(what)


class NamedLamp(Part[tuple[str, State]]):
    """A connection in the header; the style hides the word where all is well and leaves the icon."""

    def __init__(self) -> None:
        super().__init__(box("span", "link"))

    def _build(self) -> None:
        self._name = text("span", "link-name")
        self._lamp = Lamp()

    def _put(self, what: tuple[str, State]) -> None:
        name, state = what
        self._name.set_text(name)
        self._lamp.show(state)
        point_out(self.root, f"{name}: {state.text}")


class UnitRow(Part[Unit]):
    """One of several machines of a station."""

    def __init__(self) -> None:
        super().__init__(box("div", "unit"))

    def _build(self) -> None:
        self._name = text("span", "unit-name")
        self._lamp = Lamp()
        self._product = text("span", "unit-product")

    def _put(self, what: Unit) -> None:
        self._name.set_text(what.name)
        self._lamp.show(what.state)
        self._product.set_text(what.product)


class StationCard(Part[Station]):
    """A station: name, state, what it makes, how fast, and its OEE; its units below."""

    def __init__(self) -> None:
        super().__init__(box("article", "card station"))

    def _build(self) -> None:
        self._name = text("h3")
        self._lamp = Lamp()
        self._reason = text("span", "reason")
        with box("dl"):
            self._product, self._lot, self._speed = (self._fact(name) for name in ("Product", "Lot", "Speed"))
            self._oee = self._fact("OEE")
        with box("div", "meter"):
            self._meter = box("div", "meter-fill")
        self._units = Many(box("div", "units"), UnitRow)

    @staticmethod
    def _fact(name: str) -> TextElement:
        text("dt", words=name)
        return text("dd")

    def _put(self, what: Station) -> None:
        self.root.classes(replace=f"card station edge-{what.state.tone}{' stale' if what.stale else ''}")
        self._name.set_text(what.name)
        self._lamp.show(what.state)
        self._reason.set_text(what.state.detail)
        point_out(self._reason, what.state.detail)
        self._product.set_text(what.product)
        self._lot.set_text(what.lot)
        self._speed.set_text(what.speed)
        self._oee.set_text(what.oee)
        self._meter.style(replace=f"width: {what.oee_share:.1%}")
        self._units.show(what.units)


class StockBar(Part[Stock]):
    """A store: its level as a bar, what is on order hatched on top, a mark at the reorder point."""

    def __init__(self) -> None:
        super().__init__(box("div", "stock"))

    def _build(self) -> None:
        self._name = text("span", "stock-name")
        self._lamp = Lamp()
        self._on_order = text("span", "stock-order")
        self._level = text("span", "stock-level")
        with box("div", "bar"):
            self._fill = box("div", "bar-fill")
            self._coming = box("div", "bar-coming")
            self._mark = box("div", "bar-mark")

    def _put(self, what: Stock) -> None:
        self.root.classes(replace=f"stock tone-{what.state.tone}{' stale' if what.stale else ''}")
        self._name.set_text(what.name)
        self._level.set_text(what.level)
        self._fill.style(replace=f"width: {what.share:.1%}")
        self._coming.style(replace=f"left: {what.share:.1%}; width: {what.coming:.1%}")
        self._mark.style(replace=f"left: {what.mark:.1%}" if what.mark >= 0 else "display: none")
        self._lamp.show(what.state)
        self._on_order.set_text(what.on_order)


class KpiTile(Part[Kpi]):
    """A figure with its change and its course over the last hour."""

    def __init__(self) -> None:
        super().__init__(box("article", "card kpi"))

    def _build(self) -> None:
        self._title = text("h3")
        with box("div", "figure"):
            self._figure = text("strong")
            self._unit = text("span", "figure-unit")
        self._change = text("span", "change")
        with box("svg", "spark").props('viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true"'):
            self._spark = box("polyline").props('fill="none" vector-effect="non-scaling-stroke"')

    def _put(self, what: Kpi) -> None:
        self.root.classes(replace=f"card kpi{' stale' if what.stale else ''}")
        self._title.set_text(what.title)
        point_out(self.root, what.meaning)
        self._figure.set_text(what.text)
        self._unit.set_text(what.unit)
        self._change.set_text(what.change)
        self._change.classes(replace=f"change tone-{what.tone}")
        self._spark.props.set_optional("points", what.points)


class _TableCell(Part[Cell]):
    def __init__(self) -> None:
        super().__init__(box("td"))

    def _build(self) -> None:
        self._words: TextElement | None = None
        self._lamp: Lamp | None = None

    def _put(self, what: Cell) -> None:
        if what.tone is not None:
            self._lamp = self._lamp or self._inside(Lamp)
            self._lamp.show(State(what.text, what.tone, what.detail))
            return
        self._words = self._words or self._inside(text)
        self._words.set_text(what.text)
        point_out(self.root, what.detail)

    def _inside(self, make: Callable[[], Shown]) -> Shown:
        with self.root:
            return make()


class _TableRow(Part[tuple[Cell, ...]]):
    def __init__(self) -> None:
        super().__init__(box("tr"))

    def _build(self) -> None:
        self._cells = Many(self.root, _TableCell)

    def _put(self, what: tuple[Cell, ...]) -> None:
        self._cells.show(what)


class Table(Many[tuple[Cell, ...]]):
    """A table whose cells change one by one; it scrolls by itself, the page stays where it is."""

    def __init__(self, columns: Sequence[str]) -> None:
        with box("div", "scroll"), box("table").style(f"--columns: {len(columns)}"):
            with box("thead"), box("tr"):
                for column in columns:
                    text("th", words=column)
            super().__init__(box("tbody"), _TableRow)


class TopBar(Part[Header]):
    """Title, plant time, connections, health, the time of day."""

    def __init__(self) -> None:
        super().__init__(box("header", "top"))

    def _build(self) -> None:
        self._title = text("h1")
        self._health = Lamp()
        self._reasons = text("span", "reasons")
        self._links = Many(box("nav", "links"), NamedLamp)
        with box("div", "times"):
            self._clock = text("span", "plant-time")
            self._speed = text("span", "plant-speed")
            self._now = text("span", "now")
            self._zone = text("span", "zone")

    def _put(self, what: Header) -> None:
        self._title.set_text(what.title)
        self._health.show(what.health)
        self._reasons.set_text(what.health.detail)
        point_out(self._reasons, what.health.detail)
        self._links.show(what.lamps)
        self._clock.set_text(what.clock)
        self._speed.set_text(what.speed)
        self._now.set_text(what.now)
        self._zone.set_text(what.zone)
