"""Where the MQTT broker is, and in which words its refusals are passed on."""

from __future__ import annotations

import socket
import ssl
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from gateway.contract import NotConnected
from gateway.paths import Beside

_ADVICE = {
    0x84: "set broker.protocol to the version that it speaks",
    0x85: "choose another client_id",
    0x86: "check broker.user and broker.password",
    0x87: "check broker.user, broker.password and the broker's access list",
    0x8E: "another client uses this client_id: give every gateway its own",
    0x9B: "the broker must take QoS 1",
}
"""What to do about an MQTT 5 reason code; 3.1.1 return codes are translated to these."""


class _Socket(ssl.SSLSocket):
    """Closes itself when the handshake fails; Paho leaves that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - the library's signature
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


class TlsSettings(BaseModel):
    """Encryption of the connection. The broker's name must stand in its certificate."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ca_path: Beside = Field(default=None, description="PEM file of the authority to trust; without: the system's.")
    certificate_path: Beside = Field(default=None, description="PEM file of the client certificate, if one is asked.")
    key_path: Beside = Field(default=None, description="PEM file of its key, if not in the same file.")

    def context(self) -> ssl.SSLContext:
        """A client context. Raises OSError or ssl.SSLError when a file cannot be used."""
        context = ssl.create_default_context(cafile=self.ca_path)
        context.sslsocket_class = _Socket
        if self.certificate_path is not None:
            context.load_cert_chain(self.certificate_path, self.key_path)
        return context


class BrokerSettings(BaseModel):
    """An MQTT broker and how to log in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", description="Name or address of the broker.")
    port: int = Field(default=1883, ge=1, le=65535, description="TCP port; 8883 is usual with TLS.")
    protocol: Literal["auto", 5, "5", "3.1.1"] = Field(
        default="auto", description="auto: MQTT 5, or 3.1.1 if it is refused."
    )
    user: str | None = Field(default=None, description="User name; without: no login.")
    password: SecretStr | None = Field(default=None, description="Password of the user.")
    tls: TlsSettings | None = Field(default=None, description="Encrypt; {} does with the system's authorities.")
    keep_alive_s: int = Field(default=15, ge=1, le=65535, description="A broker that is silent for longer is gone.")
    timeout_s: Annotated[float, Field(gt=0)] = Field(default=10.0, description="For a connect and for a confirmation.")
    fence_topic: str = Field(
        default="conche/fence",
        min_length=1,
        pattern=r"^[^+#\x00]*$",
        description="Topic of the message whose confirmation proves that the QoS 0 messages before it were read.",
    )

    @property
    def address(self) -> str:
        """Host and port as people write them."""
        return f"{self.host}:{self.port}"


def unreachable(broker: BrokerSettings, error: OSError) -> NotConnected:
    """Why no connection came about, in words that say what to change."""
    return NotConnected(f"no connection to the broker {broker.address}: {_cause(broker, error)}")


def _cause(broker: BrokerSettings, error: OSError) -> str:
    match error:
        case ConnectionRefusedError():
            return "nothing listens there; start the broker or correct broker.host and broker.port"
        case socket.gaierror():
            return f"the name {broker.host!r} is not known; correct broker.host"
        case TimeoutError():
            return f"no answer within {broker.timeout_s:g} s; check broker.host, broker.port and the firewall"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted ({error.verify_message}); set broker.tls.ca_path"
        case ssl.SSLError():
            return f"TLS failed ({error.reason}); does the port speak TLS?"
        case _:
            return error.strerror or str(error)


def refusal(broker: BrokerSettings, code: int, words: str) -> NotConnected:
    """Why the broker closed the door, by MQTT 5 reason code and its words."""
    advice = _ADVICE.get(code)
    return NotConnected(f"the broker {broker.address} says {words!r}" + (f": {advice}" if advice else ""))
