"""All cases. Without history nothing can be read afterwards: what is at the sinks then came by the subscription."""

from __future__ import annotations

from typing import Any

from faults.case import Case, Fault
from faults.faults_of_gateways import full_disk, kill_gateway, kill_gateway_without_broker, step_clock, suspend_gateway
from faults.faults_of_links import bad_link, cut_link
from faults.faults_of_servers import only_load, orders, restart_server
from faults.faults_of_settings import change_everything_else, leave_tags_out_for_a_while
from faults.faults_of_sinks import influx_answers, influx_down, influx_refuses_a_line, kill_broker, silent_broker
from faults.proxy import Manners
from faults.scene import Plan

HISTORY, NONE = Plan(), Plan(history=False)
SMALL_QUEUE = Plan(source={"queue_size": 10})
SMALL_QUEUE_ONLY = Plan(history=False, source={"queue_size": 10})
END_SUBSCRIPTIONS = {"do": "end_subscriptions"}
END_SESSIONS = {"do": "end_sessions"}


def _fail(service: str, status: str, times: int) -> dict[str, Any]:
    return {"do": "fault", "service": service, "status": status, "times": times}


def _swallow(messages: int, *, kept: bool) -> dict[str, Any]:
    return {"do": "swallow", "messages": messages, "kept": kept}


_UNKEPT = _swallow(2, kept=False)
_GONE = (_swallow(2, kept=True), _fail("republish", "BadMessageNotAvailable", 2))
_NO_ITEMS = (END_SUBSCRIPTIONS, _fail("create_items", "BadSubscriptionIdInvalid", 2))
_ROLL_OVER = ("--first-number", str(0xFFFF_FFF0))

LINKS = (
    Case("link cut 1 s, no history", cut_link(1), NONE, quick=True),
    Case("link cut 60 s, no history", cut_link(60), NONE),
    Case("link cut 60 s", cut_link(60), HISTORY),
    Case("link cut 6 s, queue of 10 values", cut_link(6), SMALL_QUEUE),
    Case(
        "link cut 6 s, queue of 10 values, no history",
        cut_link(6),
        SMALL_QUEUE_ONLY,
        may_lose=True,
    ),
    Case("link half-open, no history", bad_link(Manners(silent=True), 10), NONE),
    Case("link delayed by 500 to 800 ms, no history", bad_link(Manners(delay_s=0.5, jitter_s=0.3), 15), NONE),
    Case("link throttled to 12 kB/s, no history", bad_link(Manners(bytes_per_s=12_000), 15), NONE),
)
SERVERS = (
    Case("server killed", restart_server(), HISTORY, quick=True),
    Case("server killed, no history", restart_server(), NONE, may_lose=True),
    Case("server killed, namespaces in another order", restart_server("--swap-namespaces"), HISTORY),
    Case("server killed, nodes come 12 s late", restart_server("--late-s", "12"), HISTORY),
    Case("server killed, other subscription ids", restart_server("--first-subscription", "900000"), HISTORY),
    Case("session deleted", orders(END_SESSIONS), HISTORY),
    Case("session deleted, no history", orders(END_SESSIONS), NONE, may_lose=True),
    Case("subscription deleted", orders(END_SUBSCRIPTIONS), HISTORY),
    Case("subscription deleted, no history", orders(END_SUBSCRIPTIONS), NONE, may_lose=True, quick=True),
    Case("BadTooManyOperations", only_load, Plan(history=False, server_options=("--most-items", "7"))),
    Case("BadSubscriptionIdInvalid", orders(*_NO_ITEMS), HISTORY),
    Case("BadNoSubscription", orders(_fail("publish", "BadNoSubscription", 2)), HISTORY),
    Case("messages lost, republished, no history", orders(_swallow(2, kept=True)), NONE, quick=True),
    Case("messages lost, BadMessageNotAvailable", orders(*_GONE), HISTORY),
    Case("messages lost, not kept", orders(_UNKEPT), HISTORY),
    Case("messages lost, not kept, no history", orders(_UNKEPT), NONE, may_lose=True),
    Case("sequence numbers skipped", orders({"do": "skip", "numbers": 5}), HISTORY),
    Case("sequence numbers roll over, no history", only_load, Plan(history=False, server_options=_ROLL_OVER)),
    Case("an invalid node among 1,000", only_load, Plan(tags=1000, hz=2, server_options=("--invalid-tag", "500"))),
)
SINKS = (
    Case("broker killed", kill_broker(5), NONE, quick=True),
    Case("broker half-open", silent_broker(10), NONE),
    Case("database down 60 s", influx_down(60), NONE),
    Case("database answers 500", influx_answers((500, "out of order"), 8), NONE),
    Case("database answers 429", influx_answers((429, "too many"), 8), NONE),
    Case("database refuses one line", influx_refuses_a_line, NONE, may_lose=True),
)
GATEWAYS = (
    Case("disk full", full_disk, NONE),
    Case("clock an hour ahead", step_clock(3600), Plan(stepped_clock=True)),
    Case("clock an hour back", step_clock(-3600), Plan(stepped_clock=True)),
    Case("settings changed, no history", change_everything_else, NONE, quick=True),
    Case("settings leave half of the tags out for a while", leave_tags_out_for_a_while, HISTORY),
    Case("gateway kill -9", kill_gateway(1), HISTORY, quick=True),
    Case("gateway kill -9, 20 times", kill_gateway(20), HISTORY),
    Case("gateway kill -9, 5 times, no history", kill_gateway(5, ready=True), NONE),
    Case("gateway suspended, no history", suspend_gateway, NONE),
    Case("gateway kill -9 with the broker down", kill_gateway_without_broker, HISTORY),
)


def _foreign(name: str, fault: Fault, *, history: bool = False, may_lose: bool = False) -> Case:
    """The same with node-opcua in asyncua's place."""
    return Case(name, fault, Plan(server="node-opcua", history=history), may_lose=may_lose)


FOREIGN = (
    _foreign("link cut 1 s, no history", cut_link(1)),
    _foreign("link cut 60 s, no history", cut_link(60)),
    _foreign("link half-open, no history", bad_link(Manners(silent=True), 10)),
    _foreign("link delayed by 500 to 800 ms, no history", bad_link(Manners(delay_s=0.5, jitter_s=0.3), 15)),
    _foreign("link throttled to 12 kB/s, no history", bad_link(Manners(bytes_per_s=12_000), 15)),
    _foreign("server killed", restart_server(), history=True),
    _foreign("server killed, no history", restart_server(), may_lose=True),
    _foreign("session deleted", orders(END_SESSIONS), history=True),
    _foreign("session deleted, no history", orders(END_SESSIONS), may_lose=True),
    _foreign("subscription deleted", orders(END_SUBSCRIPTIONS), history=True),
    _foreign("subscription deleted, no history", orders(END_SUBSCRIPTIONS), may_lose=True),
    _foreign("settings changed, no history", change_everything_else),
    _foreign("gateway suspended, no history", suspend_gateway),
    _foreign("gateway kill -9, 5 times", kill_gateway(5), history=True),
    _foreign("gateway kill -9, 5 times, no history", kill_gateway(5, ready=True)),
)
CASES: tuple[Case, ...] = (*LINKS, *SERVERS, *SINKS, *GATEWAYS, *FOREIGN)
QUICK = tuple(case for case in CASES if case.quick)
