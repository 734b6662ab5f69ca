"""Files as acquisition systems write them, by hand after the makers' specifications."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

__all__ = ["RATE_HZ", "write_nev", "write_nex", "write_plx"]

RATE_HZ = 30_000
PACKET = 104  # bytes, with 48 samples of a waveform


def write_nev(path: Path, spikes: Sequence[tuple[int, int, int]]) -> None:
    """Write a Blackrock NEV 2.3 file of (sample, electrode, unit), sorted by sample."""
    electrodes = sorted({electrode for _, electrode, _ in spikes})
    extended = b"".join(
        struct.pack("<8sHBBHHhhBB10x", b"NEUEVWAV", electrode, 1, 1, 250, 0, 0, -50, 5, 2) for electrode in electrodes
    )
    size = 336 + len(extended)
    when = (2026, 11, 0, 29, 12, 0, 0, 0)
    basic = struct.pack(
        "<8sBBHIIII8H32s256sI",
        *(b"NEURALEV", 2, 3, 1, size, PACKET, RATE_HZ, RATE_HZ, *when, b"test", b"", len(electrodes)),
    )
    packets = b"".join(struct.pack("<IHBB96x", *spike, 0) for spike in spikes)
    path.write_bytes(basic + extended + packets)


def write_nex(path: Path, units: Mapping[str, Sequence[int]], trials: Sequence[tuple[int, int]] = ()) -> None:
    """Write a NeuroExplorer file of version 104: units with their spikes in ticks, and intervals."""
    variables = [(0, name, [ticks]) for name, ticks in units.items()]
    if trials:
        variables.append((2, "trials", list(np.transpose(trials))))
    ends = [int(np.max(part)) for _, _, parts in variables for part in parts if len(part)]
    head = struct.pack("<4si256sdiii260x", b"NEX1", 104, b"", float(RATE_HZ), 0, max(ends), len(variables))
    offset, entries, data = 544 + 208 * len(variables), b"", b""
    for kind, name, parts in variables:
        block = b"".join(np.asarray(part, "<i4").tobytes() for part in parts)
        about = struct.pack("<ii64sIi", kind, 100, name.encode(), offset + len(data), len(parts[0]))
        entries, data = entries + about.ljust(208, b"\0"), data + block
    path.write_bytes(head + entries + data)


PLX_HEAD = [
    *(("MagicNumber", "<u4"), ("Version", "<i4"), ("Comment", "S128"), ("ADFrequency", "<i4")),
    *((name, "<i4") for name in ("NumDSPChannels", "NumEventChannels", "NumSlowChannels", "NumPointsWave")),
    ("NumPointsPreThr", "<i4"),
    *((name, "<i4") for name in ("Year", "Month", "Day", "Hour", "Minute", "Second", "FastRead", "WaveformFreq")),
    ("LastTimestamp", "<f8"),
    *((name, "u1") for name in ("Trodalness", "DataTrodalness", "BitsPerSpikeSample", "BitsPerSlowSample")),
    *((name, "<u2") for name in ("SpikeMaxMagnitudeMV", "SlowMaxMagnitudeMV", "SpikePreAmpGain")),
    *(("AcquiringSoftware", "S18"), ("ProcessingSoftware", "S18"), ("Padding", "S10")),
    *(("TSCounts", "<i4", (130, 5)), ("WFCounts", "<i4", (130, 5)), ("EVCounts", "<i4", (512,))),
]
PLX_CHANNEL = [
    *(("Name", "S32"), ("SIGName", "S32")),
    *((name, "<i4") for name in ("Channel", "WFRate", "SIG", "Ref", "Gain", "Filter", "Threshold", "Method", "NUnits")),
    *(("Template", "<u2", (320,)), ("Fit", "<i4", (5,)), ("SortWidth", "<i4"), ("Boxes", "<u2", (40,))),
    *(("SortBeg", "<i4"), ("Comment", "S128"), ("SrcId", "u1"), ("reserved", "u1"), ("ChanId", "<u2")),
    ("Padding", "<i4", (10,)),
]


def write_plx(path: Path, spikes: Sequence[tuple[int, int, int]]) -> None:
    """Write a Plexon file of version 106 of (tick, channel from 1 on, unit), sorted by tick, without waveforms."""
    channels = sorted({channel for _, channel, _ in spikes})
    head, described = np.zeros(1, PLX_HEAD), np.zeros(len(channels), PLX_CHANNEL)
    facts = {"MagicNumber": 0x58454C50, "Version": 106, "ADFrequency": RATE_HZ, "NumDSPChannels": len(channels)}
    facts |= {"NumPointsWave": 32, "WaveformFreq": RATE_HZ, "LastTimestamp": spikes[-1][0], "Year": 2026, "Month": 11}
    facts |= {"Day": 29, "Trodalness": 1, "DataTrodalness": 1, "BitsPerSpikeSample": 16, "BitsPerSlowSample": 16}
    facts |= {"SpikeMaxMagnitudeMV": 3000, "SlowMaxMagnitudeMV": 5000, "SpikePreAmpGain": 1000}
    for name, value in facts.items():
        head[name] = value
    for _, channel, unit in spikes:
        head["TSCounts"][0, channel, unit] += 1
    for entry, channel in zip(described, channels, strict=True):
        for name, value in {"Name": f"sig{channel:03}", "Channel": channel, "Gain": 1, "NUnits": 4}.items():
            entry[name] = value
    blocks = b"".join(
        struct.pack("<HHIHHHH", 1, tick >> 32, tick & 0xFFFFFFFF, channel, unit, 0, 0) for tick, channel, unit in spikes
    )
    path.write_bytes(head.tobytes() + described.tobytes() + blocks)
