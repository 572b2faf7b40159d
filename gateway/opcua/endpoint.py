"""Which of a server's endpoints to use: the one that is asked for, or the safest. Never one that is not secure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asyncua import ua
from asyncua.crypto import security_policies

from gateway.contract import NotConnected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.opcua.settings import SecuritySettings

POLICIES: dict[str, Any] = {
    "Aes256_Sha256_RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
}
"""The policies of the library that count as secure, the strongest first."""

_URI = "http://opcfoundation.org/UA/SecurityPolicy#"
_TCP = "opc.tcp://"
_LONG_FORM = 0x80  # of a length in DER: the other bits say how many bytes it has


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A secure endpoint, and who the server says it is."""

    policy: str
    mode: str  # Sign or SignAndEncrypt
    certificate: bytes  # DER; the server's
    application_uri: str
    issuers: tuple[bytes, ...] = field(default=(), compare=False)  # those that it sends along, DER


def choose(offered: Sequence[ua.EndpointDescription], security: SecuritySettings) -> Endpoint:
    """The endpoint to use by these settings. Raises NotConnected with what there is instead."""
    secure = {
        (_policy(one), one.SecurityMode.name): one
        for one in reversed(offered)
        if (one.EndpointUrl or "").startswith(_TCP) and one.ServerCertificate
    }
    wanted = POLICIES if security.policy == "best" else (security.policy,)
    found = next((secure[policy, security.mode] for policy in wanted if (policy, security.mode) in secure), None)
    if found is None:
        raise NotConnected(_what_else(offered, security))
    own, *issuers = certificates(found.ServerCertificate)
    return Endpoint(_policy(found), security.mode, own, found.Server.ApplicationUri or "", tuple(issuers))


def certificates(chain: bytes) -> list[bytes]:
    """The certificates that stand one behind the other (OPC 10000-6, 6.2.6), the server's own first."""
    found = [_first(chain)]
    while len(chain) > len(found[-1]) > 0:
        chain = chain[len(found[-1]) :]
        found.append(_first(chain))
    return found


def _first(chain: bytes) -> bytes:
    """DER says how long it is."""
    begin, size = 2, chain[1] if len(chain) > 1 else 0
    if size & _LONG_FORM:
        begin += size & ~_LONG_FORM
        size = int.from_bytes(chain[2:begin], "big")
    return chain[: begin + size]


def _policy(endpoint: ua.EndpointDescription) -> str:
    return (endpoint.SecurityPolicyUri or "").removeprefix(_URI)


def _what_else(offered: Sequence[ua.EndpointDescription], security: SecuritySettings) -> str:
    there = {_policy(one) + ("" if one.SecurityMode.value <= 1 else f"/{one.SecurityMode.name}") for one in offered}
    wanted = "secure endpoint" if security.policy == "best" else f"endpoint {security.policy}"
    listed = ", ".join(sorted(there)) or "nothing"
    return (
        f"the server has no {wanted} with mode {security.mode}, it offers {listed}: set policy and mode to one of these"
    )
