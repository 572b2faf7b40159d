"""Tags get an id once and keep it, over everything."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_records import tag

from gateway.catalogue import TagCatalogue, pack, unpack
from gateway.journal import Journal
from gateway.values import DataType, Tag

TEXT = st.text(max_size=8)
FLOAT = st.floats()
TAGS = st.builds(
    Tag,
    id=st.integers(1, 2**31 - 1),
    source=TEXT,
    node=TEXT,
    path=st.lists(TEXT, max_size=4).map(tuple),
    data_type=st.sampled_from(DataType),
    unit=TEXT,
    low=FLOAT,
    high=FLOAT,
    enum=st.lists(TEXT, max_size=3).map(tuple),
    description=TEXT,
    writable=st.booleans(),
    historised=st.booleans(),
    since=st.integers(0, 2**62),
)


@given(TAGS)
def test_a_tag_survives_its_way_to_disk(given_: Tag) -> None:
    found = unpack(pack(given_))
    assert pack(found) == pack(given_)
    assert found.path == given_.path
    assert found.data_type is given_.data_type


def test_a_tag_of_an_older_journal_that_said_more_is_known() -> None:
    older = orjson.loads(pack(tag())) | {"names": {"station": "Tempering"}}
    assert pack(unpack(orjson.dumps(older))) == pack(tag())


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"id": 1}', b"\xff"])
def test_what_is_no_tag_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):
        unpack(body)


async def test_known_nodes_keep_id_and_first_day_and_get_new_words(journal: Journal) -> None:
    first = await journal.adopt("plant", [tag(name="A"), tag(name="B")])
    assert [t.id for t in first] == [1, 2]
    assert all(t.since > 0 for t in first)
    again = await journal.adopt("plant", [tag(name="B"), replace(tag(name="A"), unit="°C", since=99), tag(name="C")])
    assert [t.id for t in again] == [2, 1, 3]
    assert again[1].unit == "°C"
    assert again[1].since == first[0].since
    assert [t.id for t in journal.catalogue] == [1, 2, 3]


async def test_the_version_rises_only_with_a_change(journal: Journal) -> None:
    await journal.adopt("plant", [tag(name="A")])
    version = journal.catalogue.version
    await journal.adopt("plant", [tag(name="A")])
    assert journal.catalogue.version == version
    await journal.adopt("plant", [replace(tag(name="A"), low=0.0)])
    assert journal.catalogue.version > version


async def test_tags_that_left_are_still_known_and_come_back_with_their_id(journal: Journal) -> None:
    await journal.adopt("plant", [tag(name="A"), tag(name="B")])
    await journal.adopt("plant", [tag(name="B")])
    assert [t.id for t in journal.catalogue] == [2]
    assert journal.catalogue.tag(1).path[-1] == "A"
    assert [t.id for t in await journal.adopt("plant", [tag(name="A")])] == [1]


async def test_sources_do_not_touch_each_other(journal: Journal) -> None:
    await journal.adopt("plant", [tag(name="A")])
    (other,) = await journal.adopt("second", [tag(name="A")])
    await journal.adopt("plant", [])
    assert other.id == 2
    assert [t.source for t in journal.catalogue] == ["second"]
    assert len(journal.catalogue) == 1


async def test_a_node_named_twice_is_one_tag(journal: Journal) -> None:
    adopted = await journal.adopt("plant", [tag(name="A"), tag(name="A"), tag(name="B")])
    assert [t.id for t in adopted] == [1, 1, 2]


async def test_ids_survive_a_restart(open_journal) -> None:
    journal = await open_journal()
    await journal.adopt("plant", [tag(name="A"), tag(name="B")])
    await journal.adopt("plant", [tag(name="B")])
    before = journal.catalogue.tag(2)
    await journal.close()
    journal = await open_journal()
    assert [t.id for t in journal.catalogue] == [2]
    assert pack(journal.catalogue.tag(2)) == pack(before)
    version = journal.catalogue.version
    assert [t.id for t in await journal.adopt("plant", [tag(name="C"), tag(name="B")])] == [3, 2]
    assert journal.catalogue.version > version


def test_a_tag_that_never_was_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        TagCatalogue().tag(1)
