"""One connection to a broker, and why it can't be had, in words that help."""

import logging
import socket
import ssl
from types import ModuleType
from typing import TYPE_CHECKING

from spikeloop.models.errors import BadInputError, FailureError, SpikeloopError
from spikeloop.streamer.mqtt.address import PASSWORD, MqttAddress

if TYPE_CHECKING:
    import aiomqtt

__all__ = [
    "ANSWER_WITHIN_S",
    "AT_ONCE",
    "SubscriptionRefusedError",
    "explain",
    "import_aiomqtt",
    "open_client",
    "subscribe",
]

ANSWER_WITHIN_S = 5.0
KEEP_ALIVE_S = 10  # of silence; the broker sends the last will after one and a half of it
AT_ONCE = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else a step may wait 40 ms for the receipt of the last
BAD_LOGIN, NOT_AUTHORISED = 134, 135  # MQTT 5, 2.4: paho translates those of MQTT 3.1.1
SUBSCRIPTION_REFUSED = 0x80  # MQTT 3.1.1, 3.9.3
QUIET = logging.Logger("spikeloop-mqtt", logging.CRITICAL + 1)  # what fails is raised as well


class SubscriptionRefusedError(Exception):
    """The broker lets us in, but not read a topic."""


def import_aiomqtt() -> ModuleType:
    """Import aiomqtt late, as few need it.

    Raises
    ------
    FailureError
        If it is missing; says what to install.
    """
    try:
        import aiomqtt
    except ImportError as error:
        raise FailureError("aiomqtt is not installed, which MQTT needs; pip install 'spikeloop[mqtt]'") from error
    return aiomqtt


def open_client(
    address: MqttAddress, context: ssl.SSLContext | None, identifier: str, will: "aiomqtt.Will | None"
) -> "aiomqtt.Client":
    """A client that connects on entering.

    Parameters
    ----------
    identifier : the same for each connection of a program: the broker then ends one that it still believes in, and
        its last will, before the next begins
    """
    return import_aiomqtt().Client(
        address.host,
        address.port,
        username=address.user or None,
        password=address.password or None,
        identifier=identifier,
        will=will,
        tls_context=context,
        timeout=ANSWER_WITHIN_S,
        keepalive=KEEP_ALIVE_S,
        socket_options=[AT_ONCE],
        logger=QUIET,
    )


async def subscribe(client: "aiomqtt.Client", topics: list[str]) -> None:
    """Subscribe at QoS 1.

    Raises
    ------
    SubscriptionRefusedError
        If the broker grants some of them not.
    """
    granted = await client.subscribe([(topic, 1) for topic in topics])
    codes = [code if isinstance(code, int) else code.value for code in granted]
    refused = [topic for topic, code in zip(topics, codes, strict=True) if code >= SUBSCRIPTION_REFUSED]
    if refused:
        raise SubscriptionRefusedError(", ".join(refused))


def explain(error: BaseException, address: MqttAddress) -> SpikeloopError:
    """What went wrong with a first connection, and what to do."""
    if isinstance(error, SpikeloopError):
        return error
    if isinstance(error, SubscriptionRefusedError):
        return FailureError(f"{address}: the broker does not let us subscribe to {error}; allow it in its access list")
    code = getattr(getattr(error, "rc", None), "value", None)
    if code in (BAD_LOGIN, NOT_AUTHORISED):
        return _explain_login(address)
    cause = error.__context__ if isinstance(error.__context__, OSError) else error  # of aiomqtt's own errors
    if isinstance(cause, ssl.SSLCertVerificationError):
        return FailureError(
            f"{address}: the broker's certificate is refused ({cause.verify_message}); name its authority with"
            " ?ca=FILE, and the host as the certificate does"
        )
    if isinstance(cause, socket.gaierror | ValueError):
        return BadInputError(f"{address}: no host is known by the name {address.host!r}; check it")
    if isinstance(cause, ConnectionRefusedError):
        return FailureError(f"{address}: nobody listens there; start the broker, or check the port")
    if isinstance(cause, ssl.SSLError | ConnectionResetError) and address.tls:
        return FailureError(
            f"{address}: TLS could not be agreed on ({cause}); does the broker expect TLS on this port, and does it"
            " know our certificate?"
        )
    if isinstance(cause, TimeoutError) or "timed out" in str(error):
        return FailureError(
            f"{address}: no broker answered within {ANSWER_WITHIN_S:g} s; check host and port, whether the port"
            f" wants {'mqtt' if address.tls else 'mqtts'}://, and whether the broker wants a certificate"
            " (?cert=FILE&key=FILE)"
        )
    return FailureError(f"{address}: the broker can't be reached ({cause}); check host, port and network")


def _explain_login(address: MqttAddress) -> SpikeloopError:
    if not address.user:
        return BadInputError(f"{address}: the broker wants a user; write USER@ before the host, and set {PASSWORD}")
    if not address.password:
        return BadInputError(f"{address}: the broker wants a password; set {PASSWORD}")
    return BadInputError(f"{address}: the broker refuses user {address.user!r} and the password given; check both")
