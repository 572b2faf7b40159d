"""The standard address space of OPC UA, built once a process and copied: asyncua needs a second for each server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from functools import cache
from threading import Lock

import pytest
from asyncua.server.address_space import AddressSpace, AttributeValue, NodeData, NodeManagementService
from asyncua.server.standard_address_space import standard_address_space

_build = standard_address_space.fill_address_space
_building = Lock()  # servers that start together fill their address spaces in threads


@contextmanager
def copied_standard_space() -> Iterator[None]:
    """Servers that start meanwhile have a copy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(standard_address_space, "fill_address_space", _fill)
        yield


def _fill(service: NodeManagementService) -> None:
    with _building:
        nodes = _standard_nodes()
    for node in nodes:
        service._aspace[node.nodeid] = _copied(node)


@cache
def _standard_nodes() -> tuple[NodeData, ...]:
    space = AddressSpace()
    _build(NodeManagementService(space))
    return tuple(space._nodes.values())


def _copied(node: NodeData) -> NodeData:
    """With attributes and references of its own; the values are shared, as nobody changes them in place."""
    made = NodeData(node.nodeid)
    made.attributes = {name: AttributeValue(held.value) for name, held in node.attributes.items()}
    made.references = [copy(reference) for reference in node.references]
    return made
