"""`conche trust` shows what a server's certificate says, and approves nothing that the person did not name."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from support_certificates import URI, Wish, made
from typer.testing import CliRunner

from conche.commands import app
from conche.failure import Failure
from gateway.opcua.certificate import Certificate
from gateway.opcua.errors import Untrusted
from gateway.opcua.trust import TrustFolder

ADDRESS = "opc.tcp://127.0.0.1:4840"


def shown(pki: Path, wish: Wish | None = None) -> str:
    """A server shows a certificate to the gateway; its thumbprint."""
    certificate = Certificate.read(made(pki.parent / "server", wish or Wish())[0].read_bytes())
    with pytest.raises(Untrusted):
        TrustFolder(pki).check(certificate, ADDRESS, URI)
    return certificate.thumbprint


def trust(*arguments: str, pki: Path) -> list[str]:
    done = CliRunner().invoke(app, ["trust", *arguments, "--pki", str(pki)])
    assert done.exit_code == 0, done.exception
    return done.stdout.splitlines()


def failure(*arguments: str, pki: Path) -> str:
    done = CliRunner().invoke(app, ["trust", *arguments, "--pki", str(pki)])
    assert isinstance(done.exception, Failure)
    return str(done.exception)


def believed(pki: Path) -> bool:
    try:
        TrustFolder(pki).check(Certificate.read((pki.parent / "server" / "server.der").read_bytes()), ADDRESS, URI)
    except Untrusted:
        return False
    return True


def test_an_empty_folder_is_named(tmp_path):
    listed = CliRunner().invoke(app, ["trust", "list", "--pki", str(tmp_path / "pki")])
    assert listed.stderr == f"0 certificates in {tmp_path / 'pki'}\n"


def test_a_certificate_goes_from_rejected_to_trusted_and_back(tmp_path):
    pki = tmp_path / "pki"
    thumbprint = shown(pki)
    header, row = trust("list", pki=pki)
    assert header.split() == ["STATE", "SHA-1", "VALID", "UNTIL", "SEEN", "AT", "SUBJECT"]
    assert row.split()[:2] == ["rejected", thumbprint[:8]]
    assert ADDRESS in row
    assert trust("approve", thumbprint[:8], pki=pki) == [f"approved: CN=Test server, SHA-1 {thumbprint}"]
    assert believed(pki)
    assert trust("list", pki=pki)[1].startswith("trusted")
    trust("reject", thumbprint[:4], pki=pki)
    assert not believed(pki)
    trust("remove", thumbprint, pki=pki)
    assert len(trust("list", pki=pki)) == 1


def test_everything_that_helps_to_decide_is_shown(tmp_path):
    pki = tmp_path / "pki"
    thumbprint = shown(pki, Wish(hosts=("plc7", "192.0.2.7")))
    told = dict(line.split(maxsplit=1) for line in trust("show", thumbprint[:6], pki=pki))
    assert told["state"] == "rejected"
    assert told["subject"] == "CN=Test server"
    assert told["issuer"] == "itself"
    assert told["hosts"] == "plc7, 192.0.2.7"
    assert told["application"] == URI
    assert told["key"] == "RSA, 2048 bits"
    assert told["SHA-1"] == thumbprint
    assert len(told["SHA-256"]) == 64
    assert told["seen"].split() == ["at", ADDRESS, f"({URI})"]
    assert told["wrong"] == "it is for plc7 and 192.0.2.7, not for 127.0.0.1"


def test_what_is_wrong_is_approved_only_by_name(tmp_path):
    pki = tmp_path / "pki"
    thumbprint = shown(pki, Wish(hosts=("plc7",), begins=timedelta(days=-2), ends=timedelta(days=-1)))
    assert "or approve it with --despite time --despite host" in failure("approve", thumbprint, pki=pki)
    assert "--despite host" in failure("approve", thumbprint, "--despite", "time", pki=pki)
    trust("approve", thumbprint, "--despite", "time", "--despite", "host", pki=pki)
    assert believed(pki)


def test_a_certificate_that_came_by_file_is_trusted_before_the_first_contact(tmp_path):
    pki = tmp_path / "pki"
    certificate, key = made(tmp_path / "server")
    trust("add", str(certificate), pki=pki)
    assert believed(pki)
    assert certificate.exists()
    assert "no X.509 certificate" in failure("add", str(key), pki=pki)
    assert "No such file" in failure("add", str(tmp_path / "none.der"), pki=pki)


def test_a_thumbprint_that_fits_none_or_several_is_asked_for_again(tmp_path):
    pki = tmp_path / "pki"
    assert "no certificate" in failure("approve", "ABCD", pki=pki)
    for number in range(17):  # two of them begin with the same digit
        shown(pki, Wish(name=str(number), bits=1024))
    digits = [one.certificate.thumbprint[0] for one in TrustFolder(pki).entries()]
    twice = next(digit for digit in digits if digits.count(digit) > 1)
    assert f"{digits.count(twice)} certificates" in failure("show", twice, pki=pki)


def test_without_a_folder_the_demos_is_meant(tmp_path, monkeypatch):
    monkeypatch.setenv("CONCHE_STATE", str(tmp_path))
    shown(tmp_path / "gateway" / "pki")
    done = CliRunner().invoke(app, ["trust", "list"])
    assert ADDRESS in done.stdout
