"""Which tag plays which part: by patterns alone, whatever the plant."""

from __future__ import annotations

from support_page import NAMING, SETTINGS, FakeGateway

from conche.site import DEMO, load_gateway
from gateway.naming import Naming, NamingSettings
from gateway.page.plan import MOST_TRENDS, make_plan
from gateway.page.settings import PageSettings
from gateway.values import DataType, Tag

ALL = PageSettings.model_validate(SETTINGS)


UNNAMED = Naming(NamingSettings())


def tag(tag_id: int, path: str, kind: DataType = DataType.DOUBLE) -> Tag:
    return Tag(tag_id, "plc", f"s={path}", tuple(path.split("/")), kind)


def test_the_line_is_found_in_browse_order_with_its_units() -> None:
    plan = make_plan(FakeGateway().catalogue, 4, ALL, NAMING)
    assert [place.name for place in plan.stations] == [
        *("Cleaning", "Roasting", "Grinding", "Mixing", "Conching", "Tempering", "Moulding")
    ]
    assert [unit.name for unit in plan.stations[4].units] == ["Conche1", "Conche2", "Conche3"]
    assert set(plan.stations[0].tags) == {"state", "product", "lot", "speed", "oee", "reason"}
    assert plan.version == 4


def test_the_demo_shows_every_machine_below_its_station() -> None:
    demo = load_gateway(DEMO.parent / "gateway" / "demo.yaml", {})
    components = "Machines/ChocolateLine1/Components"
    places = ("Mixing", "Mixing/Components/Kneader", "Moulding", "Moulding/Components/Wrapper2")
    tags = [tag(i, f"{components}/{place}/Status/State") for i, place in enumerate(places, 1)]
    plan = make_plan(tags, 1, demo.page, Naming(demo.naming))
    assert [(place.name, [unit.name for unit in place.units]) for place in plan.stations] == [
        ("Mixing", ["Kneader"]),
        ("Moulding", ["Wrapper2"]),
    ]


def test_stores_kpis_and_times_are_found() -> None:
    plan = make_plan(FakeGateway().catalogue, 1, ALL, NAMING)
    assert len(plan.stocks) == 8
    assert set(plan.stocks[0].tags) == {"level", "limit", "on_order"}
    assert [kpi.title for kpi, found in plan.kpis if found] == ["OEE", "Defect rate", "Cost per unit", "Good units"]
    assert plan.clock is not None
    assert plan.speed is not None


def test_the_settings_may_order_the_stations() -> None:
    settings = PageSettings.model_validate({"line": {"state": "*/State", "order": ["Pack", "Fill"]}})
    tags = [tag(i, f"{name}/State") for i, name in enumerate(("Cap", "Fill", "Pack"), 1)]
    assert [place.name for place in make_plan(tags, 1, settings, UNNAMED).stations] == ["Pack", "Fill", "Cap"]


def test_tags_without_named_parts_are_told_apart_by_their_folders() -> None:
    settings = PageSettings.model_validate({"line": {"state": "**/State"}})
    tags = [tag(1, "Robots/A/Status/State"), tag(2, "Robots/B/Status/State"), tag(3, "State")]
    assert [place.name for place in make_plan(tags, 1, settings, UNNAMED).stations] == ["Robots/A", "Robots/B", "State"]


def test_trends_come_in_the_order_of_the_patterns_and_only_what_can_be_drawn() -> None:
    settings = PageSettings(trends=("b/*", "**"))
    tags = [tag(1, "a/x"), tag(2, "b/x"), tag(3, "b/t", DataType.STRING), tag(4, "b/y", DataType.BOOLEAN)]
    assert [found.tag.id for found in make_plan(tags, 1, settings, UNNAMED).trends] == [2, 4, 1]


def test_the_list_of_trends_is_bounded() -> None:
    tags = [tag(i, f"a/{i}") for i in range(1, 2 * MOST_TRENDS)]
    assert len(make_plan(tags, 1, PageSettings(trends=("**",)), UNNAMED).trends) == MOST_TRENDS


def test_without_patterns_nothing_has_a_part() -> None:
    plan = make_plan(FakeGateway().catalogue, 1, PageSettings(), NAMING)
    assert (plan.stations, plan.stocks, plan.kpis, plan.trends, plan.clock) == ((), (), (), (), None)
