"""Address and login of a broker, from a URL; a password is never part of it."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from spikeloop.models.errors import BadInputError

__all__ = ["PASSWORD", "MqttAddress", "parse_address", "tls_context"]

PASSWORD = "SPIKELOOP_MQTT_PASSWORD"  # name of the environment variable
PORTS = {"mqtt": 1883, "mqtts": 8883}
OPTIONS = {"mqtt": {"password_file"}, "mqtts": {"password_file", "ca", "cert", "key"}}
FORM = "mqtt://[USER@]HOST[:1883] or mqtts://[USER@]HOST[:8883][?ca=FILE&cert=FILE&key=FILE]"


@dataclass(frozen=True)
class MqttAddress:
    """A broker and how to log in.

    Attributes
    ----------
    host : str
    port : int
    tls : bool
        Always with the broker's certificate verified, against `ca` or the system's authorities.
    user : str
        Empty for an anonymous login.
    password : str
        Not part of the address's text.
    ca, cert, key : Path or None
        PEM files; `cert` and `key` where the broker asks for a certificate of the client.
    url : str
        From which it was parsed, if it was; never with a password.
    """

    host: str
    port: int
    tls: bool = False
    user: str = ""
    password: str = field(default="", repr=False)
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    url: str = field(default="", repr=False, compare=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.user + '@' if self.user else ''}{host}:{self.port}"


def parse_address(url: str, environment: Mapping[str, str] = os.environ) -> MqttAddress:
    """Parse a URL like mqtts://lab@broker.local?ca=ca.pem.

    The password is that of SPIKELOOP_MQTT_PASSWORD, or the first line of the file named by ?password_file=FILE.

    Parameters
    ----------
    url : str
    environment : mapping
        Of environment variables.

    Raises
    ------
    BadInputError
        If it is no such URL, holds a password, or names a file that can't be read.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # its message would repeat what may be a password
        raise BadInputError(f"--mqtt: expected {FORM}, found another form of host or port") from None
    if parts.password is not None:
        raise BadInputError(
            f"--mqtt: expected a URL without a password, as URLs show up in process lists and logs; set {PASSWORD}, or"
            " name a file with ?password_file=FILE"
        )
    if parts.scheme not in PORTS or not parts.hostname or parts.path not in ("", "/") or parts.fragment or port == 0:
        found = "another form" if set("@?#") & set(url) else repr(url[:80])  # what may hold a secret is not repeated
        raise BadInputError(f"--mqtt: expected {FORM}, found {found}")
    options = _options(parts)
    user = unquote(parts.username or "")
    if "password_file" in options and not user:
        raise BadInputError("--mqtt: there is a password file but no user; write USER@ before the host")
    return MqttAddress(
        host=parts.hostname,
        port=port or PORTS[parts.scheme],
        tls=parts.scheme == "mqtts",
        user=user,
        password=_password(options, environment) if user else "",
        **{key: Path(options[key]) for key in ("ca", "cert", "key") if key in options},
        url=url,
    )


def tls_context(address: MqttAddress) -> ssl.SSLContext | None:
    """Make the context that verifies the broker's certificate and its host name; None for mqtt://.

    Raises
    ------
    BadInputError
        If a file is no PEM file of its kind, or can't be read.
    """
    if not address.tls:
        return None
    named = ", ".join(f"{key} {path}" for key in ("ca", "cert", "key") if (path := getattr(address, key)) is not None)
    try:
        context = ssl.create_default_context(cafile=address.ca)
        if address.cert is not None:
            context.load_cert_chain(address.cert, address.key, password=_refuse_to_ask)
    except (OSError, ValueError) as error:  # an SSLError is one
        raise BadInputError(
            f"--mqtt: expected PEM files of certificates and an unencrypted key, found {named} ({error}); check them"
        ) from error
    return context


def _options(parts: SplitResult) -> dict[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    known = OPTIONS[parts.scheme]
    if set(options) - known:
        raise BadInputError(
            f"--mqtt: expected no options but {', '.join(sorted(known))} with {parts.scheme}://, found another; drop it"
        )
    if ("cert" in options) != ("key" in options):
        raise BadInputError("--mqtt: expected ?cert=FILE&key=FILE together, found only one of them; add the other")
    return options


def _password(options: Mapping[str, str], environment: Mapping[str, str]) -> str:
    if "password_file" not in options:
        return environment.get(PASSWORD, "")
    try:
        lines = Path(options["password_file"]).read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise BadInputError(
            f"--mqtt: the password file {options['password_file']} can't be read ({why}); check its name and mode"
        ) from None
    return lines[0] if lines else ""


def _refuse_to_ask() -> str:
    raise ValueError("the key is encrypted")
