"""`spikeloop train`: learn a population from a recording."""

from pathlib import Path

from rich.console import Console
from tyro.conf import OmitArgPrefixes

from spikeloop.models.families.registry import BASELINES
from spikeloop.streamer.commands.output import print_json, print_similarity
from spikeloop.streamer.commands.reading_options import TRAINED_AS_STORED, TrainingOptions, read_and_tell
from spikeloop.streamer.inference.runtime import Device
from spikeloop.streamer.launch import train as launch
from spikeloop.streamer.launch.training_progress import shown_progress

__all__ = ["train"]


def train(
    *,
    data: str = "retina",
    out: Path,
    family: str = "causal_gan",
    preset: str | None = None,
    minutes: float | None = None,
    steps: int | None = None,
    fixed_length: bool = False,
    hold_out: int = 5,
    seed: int = 0,
    device: Device = "auto",
    lead_ms: float = 0.0,
    reading: OmitArgPrefixes[TrainingOptions] = TRAINED_AS_STORED,
    json: bool = False,
) -> int:
    """Train a model on a recording, or continue its training.

    Interrupt the training at any time: the same command continues it. Processes that torchrun starts train one model
    together. A part of the recording is held out, and the model is compared with it while it trains: E/F is the
    distance of the model to that part over the distance of the rest to it; 1 is as close as the recording is to itself.

    Parameters
    ----------
    data : str
        name of a recording (retina, m1_jango, rat_m1_ms, calcium_odor, m1-sim, packets:MODES:WINDOWS such as
        packets:1:8192), or path of a file of any format that `spikeloop inspect --help` names
    out : path
        folder of the checkpoint
    family : str
        kind of model: causal_gan, vae or vae_gan, which stream without end; spike_gan, which generates windows; or a
        baseline that is fitted at once, dichotomized_gaussian or k_pairwise. The last three need at most one spike
        a bin
    preset : str, optional
        settings of the family. causal_gan, vae, vae_gan: fast, counts (several spikes a bin) or short (fewer than
        40,000 bins), by default what suits the recording. spike_gan: fast, paper (as published), fully_connected (the
        paper's comparison) or importance (a critic for importance maps, against independent units).
        dichotomized_gaussian: default or stationary. k_pairwise: default
    minutes : float > 0, min, optional
        time of training in all, at most; 10 if --steps is not given. Calibration and the last comparison with
        held-out data then take up to some minutes more
    steps : int >= 1, optional
        steps of training in all
    fixed_length : bool
        train for all of --minutes, on all but what is held out; else causal_gan, vae and vae_gan keep a tenth of
        that, and end each stage of training when the tenth shows no gain (unless --steps is given)
    hold_out : int >= 0
        hold out every n-th repeat, or the last n-th of up to 5 stretches of a continuous recording, to compare with;
        0 trains on all
    seed : int >= 0
        seed of the training: with --steps, the same seed gives the same steps
    device : str
        processor to train on
    lead_ms : float >= 0, ms
        time by which spikes precede the recorded conditions, as motor cortex precedes movement; the model's spikes are
        delayed by as much
    reading : ReadingOptions
        how a recording is read from a file; `spikeloop inspect` shows what these options make of it
    json : bool
        print the results as one JSON document at the end
    """
    condition = reading.answers_to
    recording, summary = read_and_tell(data, reading)
    verb = "fitting" if family in BASELINES else "training"
    with shown_progress(verb, Console(stderr=True)) as show:
        model = launch.train(
            recording,
            minutes,
            out,
            family=family,
            preset=preset,
            seed=seed,
            hold_out=hold_out,
            condition=condition,
            lead_ms=lead_ms,
            device=device,
            on_progress=show,
            steps=steps,
            stop_early=False if fixed_length else None,
        )
    if json:
        print_json(model.to_dict() | {"recording_summary": summary.to_dict()})
        return 0
    print_similarity(model.similarity, model.judged_on)
    if model.one_step is not None:
        print(f"\nforecast of the next bin: {model.one_step.in_words()}")
    done = (
        f"{model.steps} steps in {model.trained_s / 60:.1f} min"
        if model.steps
        else f"fitted in {model.trained_s:.1f} s"
    )
    print(f"\n{out}: {done}; next: spikeloop export {out} --out BUNDLE")
    return 0
