"""Before anything starts: ports are free, the state folder is writable and nobody else's; else one clear line."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from support_demo import free_ports

from conche.failure import Failure
from conche.ground import Listener, check_ports, hold_state, make_folder


def listener(port: int, what: str = "OPC UA", host: str = "127.0.0.1") -> Listener:
    return Listener(what, host, port, "CONCHE_OPCUA_PORT")


def test_free_ports_are_fine_and_stay_free():
    (port,) = free_ports(1)
    check_ports([listener(port)])
    check_ports([listener(port)])


def test_a_port_in_use_is_named_with_the_setting_that_changes_it():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Failure) as failure:
            check_ports([listener(port)])
    assert str(failure.value) == (f"port {port} on 127.0.0.1 (OPC UA) is in use: choose another with CONCHE_OPCUA_PORT")
    assert failure.value.code == 1


def test_every_port_in_use_is_named_and_so_is_one_given_twice():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        (free,) = free_ports(1)
        wanted = [listener(taken.getsockname()[1]), listener(free, "MQTT"), listener(free, "page")]
        with pytest.raises(Failure) as failure:
            check_ports(wanted)
    first, second = str(failure.value).splitlines()
    assert "(OPC UA) is in use" in first
    assert "(page) is in use" in second


def test_an_address_that_is_not_ours_is_named():
    with pytest.raises(Failure, match=r"port 4840 on 203\.0\.113\.1 \(OPC UA\) cannot be used: "):
        check_ports([listener(4840, host="203.0.113.1")])


def test_the_state_folder_is_made_with_its_parts(tmp_path):
    with hold_state(tmp_path / "var"):
        assert (tmp_path / "var" / "log").is_dir()
        assert (tmp_path / "var" / "outbox").is_dir()


def test_a_second_one_is_kept_out_until_the_first_is_gone(tmp_path):
    with (
        hold_state(tmp_path),
        pytest.raises(Failure, match=r"another conche run uses the state folder .*CONCHE_STATE"),
        hold_state(tmp_path),
    ):
        pass
    with hold_state(tmp_path):
        pass


@pytest.mark.parametrize("inner", ["file/var", "/proc/conche"])
def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path, inner):
    (tmp_path / "file").write_text("")
    with pytest.raises(Failure) as failure:
        make_folder(tmp_path / inner)
    (line,) = str(failure.value).splitlines()
    assert line.startswith(str(tmp_path / inner))
    assert "is not writable" in line
    assert line.endswith("CONCHE_STATE")


def test_a_folder_without_permission_is_one_clear_line(tmp_path, monkeypatch):
    """As seen by a user who is not root, whom no permission stops."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(Failure, match="is not writable \\(Permission denied\\)"):
        make_folder(Path(tmp_path))
