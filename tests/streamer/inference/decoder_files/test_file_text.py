from pathlib import Path

import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.inference.decoder_files.file_text import FileOptions, parse_file


@pytest.mark.parametrize(
    ("text", "path", "options"),
    [
        ("net.onnx", "net.onnx", FileOptions()),
        ("why?.onnx", "why?.onnx", FileOptions()),
        ("net.onnx?history=20", "net.onnx", FileOptions(history=20)),
        ("why?.onnx?axes=units,bins&input=a", "why?.onnx", FileOptions(axes="units,bins", input="a")),
        ("n?states=h:hn,c:0:cn&output=b%26", "n", FileOptions(states={"h": "hn", "c:0": "cn"}, output="b&")),
    ],
)
def test_options_follow_the_file(text, path, options):
    assert parse_file(text) == (Path(path), options)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("hist=3", "expected options of input, output, history, axes, states .* found hist"),
        ("history=0", "expected history=BINS, 1 to 1000, found history=0"),
        ("history=1e3", "expected history=BINS"),
        ("history=²", "expected history=BINS"),
        ("axes=units", "expected axes=bins,units or axes=units,bins, found axes=units"),
        ("states=h", "expected states=INPUT:OUTPUT,INPUT:OUTPUT, found states=h"),
        ("states=h:", "expected states=INPUT:OUTPUT"),
    ],
)
def test_an_option_that_is_none_is_told(query, message):
    with pytest.raises(BadInputError, match=message):
        parse_file(f"net.onnx?{query}")
