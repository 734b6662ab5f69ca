"""`spikeloop falcon`: a decoder of ours written in the interface of the FALCON challenge."""

from pathlib import Path

from tyro.conf import Positional

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.commands.output import print_json

__all__ = ["falcon"]


def falcon(
    decoder: Positional[str],
    *,
    data: tuple[str, ...],
    out: Path,
    target: tuple[str, ...] = ("velocity",),
    lag_ms: float = 0.0,
    seed: int = 0,
    json: bool = False,
) -> int:
    """Write a decoder in the interface of the FALCON challenge.

    The folder holds decoder.py with a class Decoder(task_config, batch_size), which has reset, predict, observe and
    on_done as BCIDecoder of falcon-challenge, and what it learned from. A session that is among the recordings is
    decoded by what was fitted on it alone, any other by what was fitted on all.

    Parameters
    ----------
    decoder : str
        decoder to write: kalman, ridge, wiener, population_vector, chance, recurrent, sklearn:ESTIMATOR; or one that
        has learned, onnx:FILE, torch:FILE or skops:FILE
    data : tuple of str
        recordings with kinematics to learn from, each a name or a path, or TAG=RECORDING with the tag that the
        challenge gives a session, such as Run1_20201019
    out : path
        folder to write, new or empty
    target : tuple of str
        what to decode: velocity, position, or names of conditions
    lag_ms : float >= 0, ms
        time by which the kinematics follow the spikes
    seed : int >= 0
        seed of random choices
    json : bool
        print what was written as one JSON document
    """
    from spikeloop.streamer.launch.write_falcon import write_falcon

    tagged = dict((given if "=" in given else f"{Path(given).stem}={given}").split("=", 1) for given in data)
    if len(tagged) < len(data):
        raise BadInputError(f"--data: expected different tags, found {', '.join(data)}; give each as TAG=RECORDING")
    program = write_falcon(decoder, tagged, out, target=target, lag_s=lag_ms / 1000, seed=seed)
    if json:
        print_json({"decoder": decoder, "program": str(program), "sessions": list(tagged), "seed": seed})
    else:
        print(f"written: {program}; try it with --decoder falcon:{program}:Decoder")
    return 0
