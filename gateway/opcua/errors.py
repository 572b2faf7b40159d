"""What can go wrong with a server, in words that say what to do."""

from __future__ import annotations

import errno
import re
import socket

from asyncua import ua
from asyncua.ua.status_codes import get_name_and_doc

from gateway.contract import GatewayError, NotConnected
from gateway.opcua.variant import Malformed

BAD = 0x8000_0000
_SEVERITY_AND_CODE = 0xFFFF_0000
_NUMBER = re.compile(r"\[Errno (\d+)\]")
_SESSION_IS_GONE = frozenset(
    {
        ua.StatusCodes.BadSessionIdInvalid,
        ua.StatusCodes.BadSessionClosed,
        ua.StatusCodes.BadSessionNotActivated,
        ua.StatusCodes.BadSecureChannelIdInvalid,
        ua.StatusCodes.BadSecureChannelClosed,
        ua.StatusCodes.BadSecurityChecksFailed,
        ua.StatusCodes.BadConnectionClosed,
        ua.StatusCodes.BadServerHalted,
        ua.StatusCodes.BadShutdown,
    }
)

_LOGIN_ADVICE = {
    ua.StatusCodes.BadIdentityTokenInvalid: "Name a user and its password, or choose another policy",
    ua.StatusCodes.BadIdentityTokenRejected: "Name a user and its password, or choose another policy",
    ua.StatusCodes.BadUserAccessDenied: "Correct user and password",
}


def is_bad(code: int) -> bool:
    """Whether a StatusCode is bad: the top bit says so (OPC 10000-4, 7.39)."""
    return code >= BAD


def in_words(code: int) -> str:
    """A StatusCode with its symbolic name and what it means: "BadNodeIdUnknown: The node id refers to …"."""
    name, meaning = get_name_and_doc(code & _SEVERITY_AND_CODE)
    return f"{name}: {meaning}" if meaning else str(name)


class ServiceFault(GatewayError):  # noqa: N818 - named as OPC UA names it
    """The server refused a service call; `code` is the StatusCode."""

    def __init__(self, code: int) -> None:
        super().__init__(in_words(code))
        self.code = code


class LoginRefused(ServiceFault):
    """The server does not let this user in."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.args = (" ".join((in_words(code), _LOGIN_ADVICE[code])),)


class NoAnswer(NotConnected):
    """The server did not answer in time."""


class Untrusted(NotConnected):
    """The server's certificate is not approved, or something speaks against it: a person has to look at it."""


class SessionLost(NotConnected):
    """The session is gone at the server though the link may be up: a new one is needed."""


class Changeover(GatewayError):  # noqa: N818 - a decision, named as users know it
    """Another server of the redundant set is better: this one is left in good order."""


class SubscriptionLost(GatewayError):  # noqa: N818 - a state, named as users know it
    """The subscription is gone, or lost messages that nobody has any more: it must be made anew."""


class translated:  # noqa: N801 - what is done within is translated
    """Turn what the library and the sockets raise into this gateway's errors, as a context."""

    __slots__ = ("_url",)

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, GatewayError):
            raise _translation(self._url, error) from error


def _translation(url: str, error: Exception) -> GatewayError:
    """On bytes that make no sense the library raises anything from struct.error to RecursionError.

    All of it means that this link is of no use.
    """
    match error:
        case ua.UaStatusCodeError():
            return fault(error.code)
        case TimeoutError():
            return NoAnswer(f"{url} does not answer")
        case OSError() | ua.UaError() | Malformed():
            return NotConnected(f"{url}: {_cause(error)}")
    return NotConnected(f"{url} sends what cannot be understood: {type(error).__name__}: {error}")


def _cause(error: Exception) -> str:
    """What is wrong with the link. A name with several addresses gives one error that lists those of all."""
    if isinstance(error, socket.gaierror):
        return "the name of the host is not known: correct the address"
    if set(_NUMBER.findall(str(error))) == {str(errno.ECONNREFUSED)}:
        return "nothing listens there: is the server running, are host and port right?"
    return str(error) or type(error).__name__


def login_refused(code: int) -> GatewayError:
    """The error for a bad answer to ActivateSession."""
    return LoginRefused(code) if code in _LOGIN_ADVICE else fault(code)


def fault(code: int) -> GatewayError:
    """The error for a bad service result."""
    return SessionLost(in_words(code)) if code in _SESSION_IS_GONE else ServiceFault(code)


def alone(error: GatewayError) -> GatewayError:
    """The error to be remembered: without its traces, which hold everything that was at work when it came."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
