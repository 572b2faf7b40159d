"""What can go wrong with a server, in words that say what to do."""

from __future__ import annotations

import errno
import re
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from asyncua import ua
from asyncua.ua.status_codes import get_name_and_doc

from gateway.contract import GatewayError, NotConnected
from gateway.opcua.variant import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Turn what the library and the sockets raise into this gateway's errors.

    On bytes that make no sense the library raises anything from struct.error to RecursionError: all of it means that
    this link is of no use.
    """
    try:
        yield
    except GatewayError:
        raise
    except ua.UaStatusCodeError as error:
        raise fault(error.code) from error
    except TimeoutError as error:
        raise NoAnswer(f"{url} does not answer") from error
    except (OSError, ua.UaError, Malformed) as error:
        raise NotConnected(f"{url}: {_cause(error)}") from error
    except Exception as error:
        raise NotConnected(f"{url} sends what cannot be understood: {type(error).__name__}: {error}") from error


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
