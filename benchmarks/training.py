"""What a training step costs, part by part, as first written and as in use: motor cortex in counts, and retina."""

import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import torch

from benchmarks import training_reference as reference
from spikeloop.exporters.formats.read import read_recording
from spikeloop.models.families.causal_gan import CausalGan
from spikeloop.models.families.causal_generator import Noise, State
from spikeloop.models.families.critic import critic_loss
from spikeloop.models.families.emission import Counts
from spikeloop.models.families.recurrence import run_through
from spikeloop.models.families.registry import preset, suited_preset
from spikeloop.models.families.training_data import TrainingData
from spikeloop.models.random_streams import Purpose, torch_seed
from spikeloop.models.recordings.conditioning import without_conditions
from spikeloop.models.training.run import Training

RECORDINGS = {"m1_jango": True, "retina": False}  # whether its conditions drive the model
TIMES = 7  # of which the shortest counts: others on the machine only lengthen it
Work = Callable[[], object]


def measure(seconds: float) -> dict:  # noqa: ARG001
    """For every recording and part: CPU time as first written, and as in use."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rows = [row for name, driven in RECORDINGS.items() for row in _rows(name, driven)]
    finally:
        torch.set_num_threads(threads)
    return {
        "about": "CPU time of a step of `causal_gan`, one thread, and of its parts, there and back: the shortest of"
        f" {TIMES}, both turn by turn. As first written: the same result, each part written plainly"
        " (`benchmarks/training_reference.py`).",
        "rows": rows,
    }


def _rows(name: str, driven: bool) -> list[dict]:
    recording = read_recording(name)
    recording = recording if driven else without_conditions(recording)
    run = Training(recording, preset("causal_gan", suited_preset("causal_gan", recording)), "cpu")
    rows = []
    for part, pair in _parts(run).items():
        before, now = _cpu_ms(*pair)
        rows.append({"recording": name, "part": part, "as first written (ms)": before, "in use (ms)": now})
        print(f"{name}, {part}: {before:.1f} ms, now {now:.1f} ms", flush=True)
    return rows


def _cpu_ms(*works: Work) -> list[float]:
    """Time pieces of work in turn, so that what else happens on the machine happens to both."""
    shortest = [float("inf")] * len(works)
    for work in works:
        work()
    for _ in range(TIMES):
        for index, work in enumerate(works):
            began = time.process_time()
            work()
            shortest[index] = min(shortest[index], 1000 * (time.process_time() - began))
    return shortest


def _parts(run: Training) -> dict[str, tuple[Work, Work]]:
    """Each part as first written and as in use, on data of the size that a step has."""
    model, data = run.model, TrainingData(run.validation.training, run.device)
    assert isinstance(model, CausalGan)
    random = torch.Generator().manual_seed(torch_seed(0, Purpose.BENCHMARK, 19))
    steps = model.config.likelihood_steps
    model.places.copy_(data.begin(model.config.batch, model.config.window_bins, random))

    def learn(step: int, plainly: bool = False) -> None:
        with reference.as_first_written() if plainly else nullcontext():
            model.learn(step, data, run.optimizers, random)

    first, second = steps - 1, steps + model.config.critic_lead
    return {
        "step of stage one": (partial(learn, first, True), partial(learn, first)),
        **_likelihood_parts(model, data, random),
        "step of stage two": (partial(learn, second, True), partial(learn, second)),
        **_adversarial_parts(model, data, random),
    }


def _likelihood_parts(model: CausalGan, data: TrainingData, random: torch.Generator) -> dict[str, tuple[Work, Work]]:
    generator, config = model.generator, model.config
    values, _, _ = data.longest_crops(config.likelihood_batch, config.crop_bins, random)
    inputs = generator.recurrence.input_size
    given = torch.randn(*values.shape[:2], inputs, generator=random).requires_grad_()
    first = generator.first_hidden.expand(len(values), -1)
    parts: dict[str, tuple[Work, Work]] = {
        "- recurrence": (
            lambda: reference.run_through(generator.recurrence, given, first).sum().backward(),
            lambda: run_through(generator.recurrence, given, first).sum().backward(),
        )
    }
    emission = generator.emission
    start = emission.start().expand(*values.shape[:2], config.modes, -1)
    parameters = (start + 0.5 * torch.randn(start.shape, generator=random)).detach().requires_grad_()
    if isinstance(emission, Counts):
        parts["- likelihood of counts"] = (
            lambda: reference.log_probability(emission, values, values, parameters).sum().backward(),
            lambda: emission.log_probability(values, values, parameters).sum().backward(),
        )
    return parts


def _adversarial_parts(model: CausalGan, data: TrainingData, random: torch.Generator) -> dict[str, tuple[Work, Work]]:
    generator, config = model.generator, model.config
    real, conditions, _, _ = data.follow(model.places, config.window_bins, random)
    noise, state = generator.noise(*real.shape[:2], random), generator.first_state(len(real), random)
    state = State(*(part.detach() for part in state))
    with torch.no_grad():
        fake, _ = generator(conditions, noise, state)
    driven_by = conditions if conditions.shape[2] else None

    def judge(loss: Callable[..., torch.Tensor]) -> None:
        loss(model.critic, real, fake, config.penalty, random, driven_by).backward()

    return {
        "- critic with penalty": (partial(judge, reference.critic_loss), partial(judge, critic_loss)),
        "- generator, bin by bin": (
            lambda: _drawn_plainly(model, conditions, noise, state),
            lambda: generator.draw_softly(conditions, noise, state)[0].sum().backward(),
        ),
    }


def _drawn_plainly(model: CausalGan, conditions: torch.Tensor, noise: Noise, state: State) -> None:
    with reference.as_first_written():
        model.generator.draw_softly(conditions, noise, state)[0].sum().backward()
