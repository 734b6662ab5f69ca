import ssl
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.mqtt.address import MqttAddress, parse_address, tls_context
from tests.support.broker import Authority

SECRET = "swordfish"
PASSWORD = {"SPIKELOOP_MQTT_PASSWORD": SECRET}


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://localhost", MqttAddress("localhost", 1883)),
        ("mqtt://lab@10.0.0.7:1884/", MqttAddress("10.0.0.7", 1884, user="lab")),
        ("mqtts://broker.local", MqttAddress("broker.local", 8883, tls=True)),
        ("mqtts://[::1]:9000", MqttAddress("::1", 9000, tls=True)),
        ("mqtt://a%40b@host", MqttAddress("host", 1883, user="a@b")),
        (
            "mqtts://h?ca=/a/ca.pem&cert=c.pem&key=k.pem",
            MqttAddress("h", 8883, tls=True, ca=Path("/a/ca.pem"), cert=Path("c.pem"), key=Path("k.pem")),
        ),
    ],
)
def test_what_a_url_means(url, address):
    assert parse_address(url, {}) == address


@given(host=st.from_regex(r"[a-z][a-z0-9.-]{0,20}", fullmatch=True), port=st.integers(1, 65535), tls=st.booleans())
def test_an_address_is_written_as_it_is_read(host, port, tls):
    address = MqttAddress(host, port, tls=tls, user="lab")
    assert parse_address(str(address), {}) == address


@pytest.mark.parametrize(
    "url",
    [
        "localhost", "localhost:1883", "http://localhost", "mqtt://", "mqtt://h:0", "mqtt://h:99999", "mqtt://h/topic",
        "mqtt://h#x", "mqtt://[::1", "mqtt://h?ca=x", "mqtts://h?cafile=x", "mqtts://h?cert=x", "mqtts://h?key=x",
        "mqtt://h?password_file=x", "",
    ],
)  # fmt: skip
def test_other_urls_are_refused(url):
    with pytest.raises(BadInputError, match="--mqtt: "):
        parse_address(url, {})


def test_the_password_comes_from_the_environment_and_is_never_shown(tmp_path):
    address = parse_address("mqtt://lab@host", PASSWORD)
    assert address.password == SECRET
    assert SECRET not in f"{address} {address!r}"
    (tmp_path / "file").write_text("tuna\nsalmon\n")
    assert parse_address(f"mqtt://lab@host?password_file={tmp_path / 'file'}", PASSWORD).password == "tuna"
    assert parse_address("mqtt://host", PASSWORD).password == ""


@pytest.mark.parametrize(
    "url",
    [
        f"mqtt://lab:{SECRET}@host",
        f"mqtt://:{SECRET}@host",
        f"mqtt://lab:1/{SECRET}@host",
        f"mqtt://lab:1#{SECRET}@host",
        f"mqtt://lab:1?{SECRET}@host",
        f"mqtt://lab:{SECRET}/x@host",
        f"mqtt://host?password={SECRET}",
        f"tcp://lab:{SECRET}@host",
    ],
)
def test_a_password_in_the_url_is_refused_and_not_repeated(url):
    with pytest.raises(BadInputError) as raised:
        parse_address(url, {})
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_password_file_that_is_none(tmp_path):
    with pytest.raises(BadInputError, match="can't be read .*; check its name"):
        parse_address(f"mqtt://lab@host?password_file={tmp_path}", {})
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInputError, match="UTF-8"):
        parse_address(f"mqtt://lab@host?password_file={tmp_path / 'binary'}", {})


def test_tls_verifies_always(tmp_path):
    assert tls_context(parse_address("mqtt://host", {})) is None
    for url in ("mqtts://host", f"mqtts://host?ca={Authority(tmp_path).certificate}"):
        context = tls_context(parse_address(url, {}))
        assert context is not None
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname


def test_files_that_are_no_certificates_are_refused(tmp_path):
    authority = Authority(tmp_path)
    (tmp_path / "nonsense").write_text("nonsense")
    certificate, key = authority.issue("robot")
    for query in (
        f"ca={tmp_path / 'nonsense'}", f"ca={tmp_path / 'absent'}", f"cert={key}&key={certificate}",
        f"cert={certificate}&key={authority.certificate}",
    ):  # fmt: skip
        with pytest.raises(BadInputError, match=r"expected PEM files .*; check them"):
            tls_context(parse_address(f"mqtts://host?{query}", {}))
