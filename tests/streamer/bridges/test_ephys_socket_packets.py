import numpy as np

from spikeloop.streamer.bridges.ephys_socket_packets import packet


def test_a_packet_is_the_documented_header_and_the_samples_of_one_channel_after_the_other():
    values = np.array([[1, -2], [256, 32767], [-32768, 5]], np.int16)  # three samples of two channels
    expected = (
        b"\x00\x00\x00\x00" b"\x0c\x00\x00\x00" b"\x03\x00" b"\x02\x00\x00\x00" b"\x02\x00\x00\x00" b"\x03\x00\x00\x00"
        b"\x01\x00" b"\x00\x01" b"\x00\x80" b"\xfe\xff" b"\xff\x7f" b"\x05\x00"
    )  # fmt: skip
    assert packet(values) == expected


def test_a_view_into_a_larger_trace_is_laid_out_as_its_copy(random):
    trace = random.integers(-32768, 32768, (700, 9), dtype=np.int16)
    assert packet(trace[100:400]) == packet(trace[100:400].copy())
