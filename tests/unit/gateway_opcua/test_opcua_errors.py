"""Errors outlive what they ended."""

from __future__ import annotations

import weakref

from gateway.contract import GatewayError
from gateway.opcua.errors import NoAnswer, alone, translated


class Work:
    """Something large that a call holds while it runs."""


def failed() -> tuple[GatewayError, weakref.ref[Work]]:
    work = Work()
    try:
        with translated("opc.tcp://plc:4840"):
            raise TimeoutError
    except GatewayError as error:
        return alone(error), weakref.ref(work)


def test_an_error_that_is_remembered_holds_nothing_of_what_it_ended() -> None:
    error, work = failed()
    assert isinstance(error, NoAnswer)
    assert str(error) == "opc.tcp://plc:4840 does not answer"
    assert work() is None
