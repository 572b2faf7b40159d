"""Adds nodes to asyncua's address space, each whole in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asyncua import ua
from asyncua.server.internal_server import InternalServer

from opcua_server.uatypes import Foreign, named, standard, text, variant

Ids = ua.ObjectIds
READ = 1 << ua.AccessLevel.CurrentRead
WRITE = 1 << ua.AccessLevel.CurrentWrite
HISTORY_READ = 1 << ua.AccessLevel.HistoryRead
TELL_EVENTS = 1 << ua.EventNotifier.SubscribeToEvents | 1 << ua.EventNotifier.HistoryRead
"""Events can be subscribed, and those of the past be read."""


@dataclass(frozen=True)
class Place:
    """Where a node hangs: below which parent, by which reference."""

    parent: ua.NodeId
    reference: int = Ids.HasComponent


@dataclass(frozen=True)
class Variable:
    """What a variable is, apart from its place and name."""

    type_definition: ua.NodeId
    data_type: ua.NodeId
    value: ua.Variant
    access: int = READ
    period_ms: float = 0.0
    description: str = ""


class Builder:
    """Nodes of one namespace. String NodeIds are the caller's; they must not change between releases."""

    def __init__(self, server: InternalServer, namespace: int) -> None:
        self._nodes, self._namespace = server.node_mgt_service, namespace

    def id(self, name: str) -> ua.NodeId:
        """The NodeId of a name in this namespace."""
        return named(name, self._namespace)

    def _own(self, name: str) -> ua.QualifiedName:
        return ua.QualifiedName(name, self._namespace)

    def object(
        self, place: Place, node: str, name: str, type_: ua.NodeId, description: str = "", *, notifier: int = 0
    ) -> ua.NodeId:
        """An object with a type."""
        attributes = _described(ua.ObjectAttributes(), description)
        attributes.EventNotifier = notifier
        return self._add(place, node, self._own(name), ua.NodeClass.Object, attributes, type_)

    def object_type(self, node: str, base: int | ua.NodeId, description: str) -> ua.NodeId:
        """A type of objects or events; its NodeId is its name."""
        parent = base if isinstance(base, ua.NodeId) else standard(base)
        attributes = _described(ua.ObjectTypeAttributes(), description)
        attributes.IsAbstract = False
        place = Place(parent, Ids.HasSubtype)
        return self._add(place, node, self._own(node), ua.NodeClass.ObjectType, attributes, ua.NodeId())

    def variable(self, place: Place, node: str, name: str, what: Variable) -> ua.NodeId:
        """A variable with a value of its type."""
        return self._variable(place, node, self._own(name), what)

    def _variable(self, place: Place, node: str, name: ua.QualifiedName, what: Variable) -> ua.NodeId:
        attributes = _described(ua.VariableAttributes(), what.description)
        attributes.DataType, attributes.Value = what.data_type, what.value
        attributes.ValueRank = ua.ValueRank.OneDimension if what.value.is_array else ua.ValueRank.Scalar
        attributes.ArrayDimensions = [0] if what.value.is_array else []
        attributes.AccessLevel = attributes.UserAccessLevel = what.access
        attributes.MinimumSamplingInterval = what.period_ms
        attributes.Historizing = bool(what.access & HISTORY_READ)
        return self._add(place, node, name, ua.NodeClass.Variable, attributes, what.type_definition)

    def property(self, parent: ua.NodeId, name: str, data_type: int, value: ua.Variant) -> ua.NodeId:
        """A property that the specification names: its BrowseName is of namespace 0, its NodeId of ours."""
        what = Variable(standard(Ids.PropertyType), standard(data_type), value)
        node = f"{parent.Identifier!s}.{name}"
        return self._variable(Place(parent, Ids.HasProperty), node, ua.QualifiedName(name), what)

    def own_property(self, parent: ua.NodeId, name: str, type_: ua.VariantType, words: str) -> ua.NodeId:
        """A property that one of our types adds."""
        value = ua.Variant(ua.get_default_value(type_), type_)
        what = Variable(standard(Ids.PropertyType), standard(type_), value, description=words)
        return self.variable(Place(parent, Ids.HasProperty), f"{parent.Identifier!s}.{name}", name, what)

    def method(
        self,
        parent: ua.NodeId,
        name: str,
        inputs: Sequence[ua.Argument],
        words: str,
        outputs: Sequence[ua.Argument] = (),
    ) -> ua.NodeId:
        """A method."""
        attributes = _described(ua.MethodAttributes(), words)
        attributes.Executable = attributes.UserExecutable = True
        node = f"{parent.Identifier!s}.{name}"
        added = self._add(Place(parent), node, self._own(name), ua.NodeClass.Method, attributes, ua.NodeId())
        for kind, arguments in (("InputArguments", inputs), ("OutputArguments", outputs)):
            if arguments:
                value = variant(list(arguments), ua.VariantType.ExtensionObject)
                self.property(added, kind, Ids.Argument, value)
        return added

    def reference(self, source: ua.NodeId, reference: int, target: ua.NodeId) -> None:
        """A reference between two nodes that exist, seen from both."""
        ends = ((source, target, True), (target, source, False))
        items = [
            ua.AddReferencesItem(SourceNodeId=a, ReferenceTypeId=standard(reference), IsForward=forward, TargetNodeId=b)
            for a, b, forward in ends
        ]
        for status in self._nodes.add_references(items):
            status.check()

    def _add(
        self,
        place: Place,
        node: str,
        name: ua.QualifiedName,
        class_: ua.NodeClass,
        attributes: Foreign,
        type_: ua.NodeId,
    ) -> ua.NodeId:
        attributes.DisplayName = ua.LocalizedText(name.Name)
        item = ua.AddNodesItem(
            ParentNodeId=place.parent,
            ReferenceTypeId=standard(place.reference),
            RequestedNewNodeId=self.id(node),
            BrowseName=name,
            NodeClass=class_,
            NodeAttributes=attributes,
            TypeDefinition=type_,
        )
        (result,) = self._nodes.add_nodes([item])
        result.StatusCode.check()
        added: ua.NodeId = result.AddedNodeId
        return added


def _described(attributes: Foreign, words: str) -> Foreign:
    attributes.Description = text(words)
    return attributes
