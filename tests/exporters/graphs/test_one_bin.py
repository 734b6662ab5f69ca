from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from spikeloop.exporters.export import bins_to_onnx
from spikeloop.models.families.causal_generator import Generator, GeneratorConfig, Noise, State
from spikeloop.models.families.population import Population
from spikeloop.models.recordings.condition import Condition, phase_condition

UNITS, BINS, BATCH = 5, 200, 3
DRIVEN = (phase_condition(7), Condition("velocity", "cm/s", -1.0, 1.0))
FAST = ("bernoulli", (), {"drives_units": True, "own_history": 3})
KINDS = [
    FAST,
    ("counts", DRIVEN, {"drives_units": True, "own_history": 3, "slow_latents": 1}),
    ("fluorescence", DRIVEN, {"slow_latents": 2}),
]


@pytest.fixture(scope="module")
def exports() -> Callable[..., tuple[Generator, bytes, dict[str, np.ndarray]]]:
    """Export a model of a kind, each once, as that takes seconds."""
    done = {}

    def export(*kind):
        if str(kind) not in done:
            generator, population = lively(*kind)
            done[str(kind)] = generator, *bins_to_onnx(generator, population)
        return done[str(kind)]

    return export


def lively(distribution: str, channels: tuple[Condition, ...], options: dict) -> tuple[Generator, Population]:
    torch.manual_seed(3)
    means, each = np.linspace(0.1, 0.5, UNITS), np.ones(len(channels))
    population = Population(distribution, 4 if distribution == "counts" else 1, means, means, channels, 0 * each, each)
    generator = Generator(GeneratorConfig(state_size=6, modes=3, factors=2, drive_size=4, **options), population)
    with torch.no_grad():
        for weight in generator.parameters():
            weight.add_(0.4 * torch.randn(weight.shape))
    return generator.eval(), population


@torch.no_grad()
@pytest.mark.parametrize(("distribution", "channels", "options"), KINDS)
def test_the_graph_draws_what_torch_does_in_any_chunks(random, exports, distribution, channels, options):
    generator, exported, first = exports(distribution, channels, options)
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    conditions = random.standard_normal((BINS, BATCH, len(channels))).astype(np.float32)
    uniform = random.random((BINS, BATCH, 3 + UNITS), np.float32)
    normal = random.standard_normal((BINS, BATCH, generator.slow_latents)).astype(np.float32)
    all_of_it = {"condition": conditions, "uniform": uniform, "normal": normal}
    series = {name: values for name, values in all_of_it.items() if values.shape[2]}
    state = {name: values.repeat(BATCH, axis=0) for name, values in first.items()}
    outputs = ["counts", *(f"next_{name}" for name in first)]

    noise = Noise(*(torch.from_numpy(values.swapaxes(0, 1).copy()) for values in (uniform, normal)))
    empty = torch.zeros(BATCH, 0)
    begins = State(*(torch.from_numpy(state[name]) if name in state else empty for name in State._fields))
    expected, last = generator(torch.from_numpy(conditions.swapaxes(0, 1).copy()), noise, begins)

    whole, *after = map(np.asarray, session.run(outputs, series | state))
    np.testing.assert_allclose(whole, expected.numpy().swapaxes(0, 1), rtol=1e-3, atol=1e-4)
    for name, values in zip(first, after, strict=True):
        np.testing.assert_allclose(values, getattr(last, name).numpy(), rtol=1e-3, atol=1e-4)

    parts = []
    for begin, end in ((0, 1), (1, 8), (8, 77), (77, BINS)):
        part, *kept = session.run(outputs, {name: values[begin:end] for name, values in series.items()} | state)
        state = dict(zip(first, kept, strict=True))
        parts.append(part)
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_a_bin_takes_few_operators(exports):
    """As many of them cost more than the arithmetic of a small model; 56 were in the first version."""
    _, exported, _ = exports(*FAST)
    (loop,) = (node for node in onnx.load_from_string(exported).graph.node if node.op_type == "Scan")
    (body,) = (attribute.g for attribute in loop.attribute if attribute.name == "body")
    assert len(body.node) <= 38
