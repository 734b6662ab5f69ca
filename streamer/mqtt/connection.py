"""One connection to a broker, and why it fails, in words that help."""

import logging
import socket
import ssl
from types import ModuleType
from typing import TYPE_CHECKING

from spikeloop.models.errors import BadInputError, FailureError, SpikeloopError
from spikeloop.models.packages import install_command
from spikeloop.streamer.mqtt.address import PASSWORD, MqttAddress

if TYPE_CHECKING:
    import aiomqtt

__all__ = [
    "ANSWER_WITHIN_S",
    "SubscriptionRefusedError",
    "UnreachableError",
    "explain",
    "import_aiomqtt",
    "open_client",
    "subscribe",
    "topic_prefix",
]

ANSWER_WITHIN_S = 5.0
KEEP_ALIVE_S = 10  # of silence; the broker sends the last will after one and a half of it
NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else a step may wait 40 ms for the receipt of the last
BAD_LOGIN, NOT_AUTHORISED = 134, 135  # MQTT 5, 2.4: paho translates those of MQTT 3.1.1
SUBSCRIPTION_REFUSED = 0x80  # MQTT 3.1.1, 3.9.3
QUIET = logging.Logger("spikeloop-mqtt", logging.CRITICAL + 1)  # what fails is raised as well


class SubscriptionRefusedError(Exception):
    """The broker accepts the connection, but not the subscription to a topic."""


class UnreachableError(FailureError):
    """No broker answers at an address, where one may be later."""


def topic_prefix(name: str) -> str:
    """The beginning of a stream's topics, spikeloop/NAME/.

    Raises
    ------
    BadInputError
        If the name can't be a level of a topic.
    """
    if not name or set("/+#\0") & set(name):
        raise BadInputError(f"expected a stream name without / + and #, found {name!r:.80}; choose another")
    return f"spikeloop/{name}/"


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
        raise FailureError(f"aiomqtt is not installed, which MQTT needs; {install_command('mqtt')}") from error
    return aiomqtt


def open_client(
    address: MqttAddress,
    tls: ssl.SSLContext | None,
    identifier: str | None = None,
    will: "aiomqtt.Will | None" = None,
    most_waiting: int | None = None,
) -> "aiomqtt.Client":
    """Make a client that connects on entering.

    Parameters
    ----------
    address : MqttAddress
    tls : ssl.SSLContext or None
        As of `tls_context`.
    identifier : str, optional
        The same for each connection of a program: the broker then ends one that it still believes in, and its last
        will, before the next begins. By default one at random.
    will : aiomqtt.Will, optional
    most_waiting : int, optional
        Messages that wait to be read; the rest is discarded. By default all wait.
    """
    return import_aiomqtt().Client(
        address.host,
        address.port,
        username=address.user or None,
        password=address.password or None,
        identifier=identifier,
        will=will,
        tls_context=tls,
        timeout=ANSWER_WITHIN_S,
        keepalive=KEEP_ALIVE_S,
        max_queued_incoming_messages=most_waiting,
        socket_options=[NO_DELAY],
        logger=QUIET,
    )


async def subscribe(client: "aiomqtt.Client", topics: list[str]) -> None:
    """Subscribe at QoS 1.

    Raises
    ------
    SubscriptionRefusedError
        If the broker refuses some of them.
    """
    granted = await client.subscribe([(topic, 1) for topic in topics])
    codes = [code if isinstance(code, int) else code.value for code in granted]
    refused = [topic for topic, code in zip(topics, codes, strict=True) if code >= SUBSCRIPTION_REFUSED]
    if refused:
        raise SubscriptionRefusedError(", ".join(refused))


def explain(error: BaseException, address: MqttAddress) -> SpikeloopError:
    """Explain what went wrong with a first connection, and what to do."""
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
        return UnreachableError(f"{address}: nobody listens there; start the broker, or check the port")
    if isinstance(cause, ssl.SSLError | ConnectionResetError) and address.tls:
        return FailureError(
            f"{address}: TLS could not be agreed on ({cause}); does the broker expect TLS on this port, and does it"
            " know our certificate?"
        )
    if isinstance(cause, TimeoutError) or "timed out" in str(error):
        return UnreachableError(
            f"{address}: no broker answered within {ANSWER_WITHIN_S:g} s; check host and port, whether the port"
            f" wants {'mqtt' if address.tls else 'mqtts'}://, and whether the broker wants a certificate"
            " (?cert=FILE&key=FILE)"
        )
    return UnreachableError(f"{address}: the broker can't be reached ({cause}); check host, port and network")


def _explain_login(address: MqttAddress) -> SpikeloopError:
    if not address.user:
        return BadInputError(f"{address}: the broker wants a user; write USER@ before the host, and set {PASSWORD}")
    if not address.password:
        return BadInputError(f"{address}: the broker wants a password; set {PASSWORD}")
    return BadInputError(f"{address}: the broker refuses user {address.user!r} and the password given; check both")
