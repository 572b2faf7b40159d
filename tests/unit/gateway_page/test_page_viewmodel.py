"""What the page shows for a state of the gateway."""

from __future__ import annotations

from dataclasses import replace
from time import time_ns

import pytest
from support_page import NAMING, SETTINGS, STATES, FakeGateway

from gateway.page.model import Model, State
from gateway.page.plan import make_plan
from gateway.page.settings import PageSettings
from gateway.page.text import NOTHING
from gateway.page.tone import Tone
from gateway.page.viewmodel import spark_points, view_model
from gateway.status import Granted, Link

LINE = "Machines/ChocolateLine1"
ALL = PageSettings.model_validate(SETTINGS)


def model_of(gateway: FakeGateway, courses: dict[int, tuple[float, ...]] | None = None) -> Model:
    return view_model(gateway.view, make_plan(gateway.catalogue, 1, ALL, NAMING), ALL, courses or {}, time_ns())


@pytest.fixture
async def gateway() -> FakeGateway:
    made = FakeGateway()
    await made.give_all()
    return made


async def test_before_any_value_everything_is_there_and_empty() -> None:
    model = model_of(FakeGateway())
    assert len(model.stations) == 7
    assert {station.speed for station in model.stations} == {NOTHING}
    assert {station.state.tone for station in model.stations} == {Tone.NONE}
    assert {stock.state.text for stock in model.stocks} == {"no value"}
    assert [kpi.text for kpi in model.kpis] == [NOTHING] * 4


async def test_a_station_shows_state_product_lot_speed_and_oee(gateway: FakeGateway) -> None:
    roasting = model_of(gateway).stations[1]
    assert (roasting.name, roasting.state.text, roasting.state.tone) == ("Roasting", "Execute", Tone.RUN)
    assert (roasting.product, roasting.lot) == ("Milk", "M-2026-0481")
    assert (roasting.speed, roasting.oee) == ("505\u202fkg/h", "68.9\u202f%")
    assert roasting.oee_share == pytest.approx(0.689)


@pytest.mark.parametrize(
    ("state", "tone"),
    [
        ("Execute", Tone.RUN),
        ("Suspended", Tone.WAIT),
        ("Held", Tone.HOLD),
        ("Aborted", Tone.FAULT),
        ("Idle", Tone.READY),
    ],
)
async def test_packml_states_have_their_tones(gateway: FakeGateway, state: str, tone: Tone) -> None:
    await gateway.give(f"{LINE}/Components/Roasting/Status/State", STATES.index(state))
    assert model_of(gateway).stations[1].state.tone is tone


async def test_a_station_of_several_units_shows_what_weighs_most(gateway: FakeGateway) -> None:
    conching = model_of(gateway).stations[4]
    assert (conching.state.text, conching.state.tone, conching.product) == ("2 of 3 Execute", Tone.RUN, "Milk, Dark")
    await gateway.give(f"{LINE}/Components/Conching/Components/Conche2/Status/State", STATES.index("Aborted"))
    conching = model_of(gateway).stations[4]
    assert (conching.state.text, conching.state.tone) == ("1 of 3 Aborted", Tone.FAULT)


async def test_a_station_says_why_it_does_not_run(gateway: FakeGateway) -> None:
    stations = {station.name: station.state.detail for station in model_of(gateway).stations}
    assert stations["Grinding"] == "Waits For Mass"
    assert stations["Roasting"] == ""


async def test_a_bad_value_is_not_shown_as_if_it_were_good(gateway: FakeGateway) -> None:
    await gateway.give(f"{LINE}/Components/Roasting/Performance/OEE", 99.0, status=0x80000000)
    roasting = model_of(gateway).stations[1]
    assert (roasting.oee, roasting.oee_share) == (NOTHING, 0.0)


async def test_values_of_a_server_that_is_away_are_marked_old(gateway: FakeGateway) -> None:
    assert not any(station.stale for station in model_of(gateway).stations)
    gateway.status.sources["plant"].connection.become(Link.WAITING, "cable pulled")
    model = model_of(gateway)
    assert all(part.stale for part in (*model.stations, *model.stocks, *model.kpis))
    assert "cable pulled" in model.header.health.detail


async def test_stock_below_its_reorder_point_is_low_unless_more_is_on_its_way(gateway: FakeGateway) -> None:
    stocks = {stock.name: stock for stock in model_of(gateway).stocks}
    assert stocks["Beans"].state.text == "enough"
    assert stocks["Milk Powder"].state.text == "low"
    assert (stocks["Sugar"].state.text, stocks["Sugar"].on_order) == ("low, ordered", "+24,000\u202fkg")
    assert stocks["Beans"].mark == pytest.approx(0.5)
    assert stocks["Sugar"].share + stocks["Sugar"].coming <= 1


async def test_a_bar_never_leaves_its_frame(gateway: FakeGateway) -> None:
    await gateway.give("Warehouse/Beans/Level", 1e9)
    await gateway.give("Warehouse/Beans/OnOrder", 1e9)
    beans = model_of(gateway).stocks[0]
    assert (beans.share, beans.coming) == (1.0, 0.0)


async def test_a_kpi_tells_whether_it_became_better(gateway: FakeGateway) -> None:
    oee, defects = (gateway.catalogue.find(f"{LINE}/Performance/{name}").id for name in ("OEE", "DefectRate"))
    cost = gateway.catalogue.find(f"{LINE}/Cost/CostPerUnit").id
    kpis = model_of(gateway, {oee: (60.0, 61.0), defects: (2.0, 2.1), cost: (5.8741, 5.8739)}).kpis
    assert (kpis[0].text, kpis[0].change, kpis[0].tone) == ("61.5", "+1.5 in 1 h", Tone.GOOD)
    assert (kpis[1].text, kpis[1].change, kpis[1].tone) == ("2.13", "+0.13 in 1 h", Tone.WARN)
    assert (kpis[2].change, kpis[2].tone) == ("steady for 1 h", Tone.NONE)
    assert kpis[3].text == "18,244"
    assert kpis[3].meaning == "", "this server describes nothing"


async def test_a_kpi_tells_what_it_is_when_somebody_points_at_it(gateway: FakeGateway) -> None:
    tag = gateway.catalogue.find(f"{LINE}/Performance/OEE")
    gateway.catalogue.tags[tag.id - 1] = replace(tag, description="OEE index of ISO 22400, last 24 h")
    assert model_of(gateway).kpis[0].meaning == "OEE index of ISO 22400, last 24 h"


async def test_the_header_names_time_speed_and_every_connection_but_its_own(gateway: FakeGateway) -> None:
    header = model_of(gateway).header
    assert header.speed == "60 x"
    assert header.clock
    assert [name for name, _ in header.lamps] == ["plant", "uns", "sparkplug", "influx", "historian"]
    assert dict(header.lamps)["sparkplug"].tone is Tone.WARN
    assert header.health.text == "degraded"


async def test_tables_tell_who_is_behind_what_was_sent_and_what_is_silent(gateway: FakeGateway) -> None:
    model = model_of(gateway)
    sparkplug = next(row for row in model.sinks if row[0].text == "sparkplug")
    assert [cell.text for cell in sparkplug[1:5]] == ["waiting", "1,848,114", "23,456", "0"]
    assert "connection refused" in sparkplug[-1].text
    assert [row[1].text for row in model.mails] == ["dead", "waiting", "sent", "sent"]
    assert model.mails[0][-1].text == f"{gateway.status.mail.recent[-1].reason} · Your order 10493: 75 cases White"
    assert model.mails[-1][-1].text == "Sugar is below its reorder point: 21,940 kg"
    assert model.mail_summary == "2 sent · 1 waiting · 1 given up"
    assert model.silent[0][2].text.startswith("BadSensorFailure")
    assert model.silent_summary == State("1 tag, 1 tag without a value yet", Tone.WARN)


async def test_what_has_no_value_yet_is_listed_but_is_no_fault(gateway: FakeGateway) -> None:
    gateway.status.sources["plant"].silent = {}
    model = model_of(gateway)
    assert [row[2].text for row in model.silent] == ["BadWaitingForInitialData: no batch was measured"]
    assert model.silent_summary == State("1 tag without a value yet", Tone.WAIT)


async def test_what_a_sink_refuses_is_listed_too(gateway: FakeGateway) -> None:
    gateway.status.sinks["influx"].refused["a/b"] = "field type conflict"
    assert ["a/b", "influx", "field type conflict"] in [[cell.text for cell in row] for row in model_of(gateway).silent]


async def test_long_lists_are_cut_and_say_so(gateway: FakeGateway) -> None:
    gateway.status.sources["plant"].silent = {f"tag{i}": "not found" for i in range(5_000)}
    model = model_of(gateway)
    assert len(model.silent) == 200
    assert model.silent_summary.text == "5,000 tags, the first 200 shown, 1 tag without a value yet"


async def test_of_a_server_that_is_away_no_tag_delivers(gateway: FakeGateway) -> None:
    gateway.status.sources["plant"].connection.become(Link.WAITING, "nothing listens there")
    model = model_of(gateway)
    assert [[cell.text for cell in row] for row in model.silent] == [["all", "plant", "nothing listens there"]]
    assert (model.silent_summary.text, model.silent_summary.tone) == ("all of plant", Tone.WARN)
    gateway.status.sinks["influx"].refused["a/b"] = "no template"
    assert model_of(gateway).silent_summary.text == "all of plant, 1 tag"


async def test_the_last_word_of_a_server_that_is_away_is_not_the_present(gateway: FakeGateway) -> None:
    tag = gateway.catalogue.find("Warehouse/Beans/Level")
    assert gateway.view.present(tag) == gateway.latest.get(tag.id)
    gateway.status.sources["plant"].connection.become(Link.WAITING, "nothing listens there")
    assert gateway.view.present(tag) is None


async def test_a_failing_journal_is_seen(gateway: FakeGateway) -> None:
    gateway.status.journal.failure = "disk full"
    model = model_of(gateway)
    assert (model.journal.tone, model.header.health.text) == (Tone.FAULT, "failed")


async def test_a_journal_that_had_to_drop_values_says_so(gateway: FakeGateway) -> None:
    gateway.status.journal.lost, gateway.status.journal.damaged = 1200, 3
    shown = model_of(gateway).journal
    assert shown.tone == Tone.WARN
    assert "1,200 values had to go before every sink had them; 3 records are damaged" in shown.text


async def test_nothing_changes_without_a_change(gateway: FakeGateway) -> None:
    plan, now = make_plan(gateway.catalogue, 1, ALL, NAMING), time_ns()
    first, second = (view_model(gateway.view, plan, ALL, {}, now) for _ in range(2))
    assert first == second


async def test_without_an_hour_of_history_no_change_is_claimed(gateway: FakeGateway) -> None:
    oee = gateway.catalogue.find(f"{LINE}/Performance/OEE").id
    kpi = model_of(gateway, {oee: (float("nan"), 60.0)}).kpis[0]
    assert (kpi.change, kpi.tone) == ("", Tone.NONE)
    assert kpi.points


def test_a_spark_line_fills_its_box_and_skips_what_is_missing() -> None:
    assert spark_points((1.0, float("nan"), 3.0)) == "0.0,23.0 100.0,1.0"
    assert spark_points((2.0, 2.0)) == "0.0,23.0 100.0,23.0"
    assert spark_points((2.0,)) == ""


async def test_a_server_shows_on_which_terms_as_asked_and_as_it_revised_them(gateway: FakeGateway) -> None:
    refused = "no deadband of 2 %: BadFilterNotAllowed"
    gateway.status.sources["plant"].granted = (
        Granted(1500, (100, 250), (0, 0), (1000, 100), "", ""),
        Granted(3, (250, 250), (-1, 250), (1000, 1000), "2 %", refused),
    )
    tags = model_of(gateway).servers[0][2]
    assert tags.detail.splitlines() == [
        "1,500 sent every 100 → 250 ms, sampled every 0 ms, queue 1,000 → 100",
        f"3 sent every 250 ms, sampled every -1 → 250 ms, queue 1,000, deadband 2 %, {refused}",
    ]


async def test_removed_nodes_and_short_queues_are_told_but_are_not_silent_tags(gateway: FakeGateway) -> None:
    before = model_of(gateway).silent_summary
    plant = gateway.status.sources["plant"]
    plant.gone, plant.overflowing = {"Mill/Old": "removed"}, {"Mill/Fast": 1200}
    model = model_of(gateway)
    gone, fast = ([cell.text for cell in row] for row in model.silent[-2:])
    assert gone == ["Mill/Old", "plant", "removed"]
    assert fast[2] == "1,200 values say that the server dropped others before them: raise queue_size"
    assert model.silent_summary == before
