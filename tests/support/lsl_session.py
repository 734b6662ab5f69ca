"""An LSL session for each test process, so that streams of tests that run beside each other never meet."""

import os
import tempfile
import uuid
from pathlib import Path

__all__ = ["own_lsl_session", "worker_index"]

PORTS_A_WORKER = 200
FIRST_PORT = 20000  # below the ports that Linux hands out by itself


def worker_index() -> int:
    """Number of this worker of pytest-xdist, from 0; 0 without workers."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def own_lsl_session() -> Path:
    """Give this process, and all that it starts, an LSL session, ports and a multicast port of their own.

    To be called before liblsl is loaded, which reads its configuration once. Streams are looked for on this machine
    alone, and every 0.1 s, as nothing is far away.

    Returns
    -------
    Path
        The configuration file, which LSLAPICFG names from now on.
    """
    first = FIRST_PORT + worker_index() * PORTS_A_WORKER
    session = uuid.uuid4().hex[:12]
    path = Path(tempfile.mkdtemp(prefix="spikeloop-tests-")) / "lsl_api.cfg"
    path.write_text(
        f"[lab]\nSessionID = {session}\n"
        f"[ports]\nMulticastPort = {first}\nBasePort = {first + 1}\nPortRange = {PORTS_A_WORKER - 1}\n"
        "[multicast]\nResolveScope = machine\n"
        "[tuning]\nMulticastMinRTT = 0.1\n"
        "[log]\nlevel = -3\n"
    )
    os.environ["LSLAPICFG"] = str(path)
    return path
