"""Every random number of the project: one purpose, one stream of numbers."""

import json
from enum import IntEnum, unique

import numpy as np

from spikeloop.models.errors import BadInputError

__all__ = ["Purpose", "random_stream", "restore_state", "skip_floats", "state_of", "torch_seed"]

FLOATS_AT_ONCE = 8  # of 32 bits, that Philox makes of one count


@unique
class Purpose(IntEnum):
    """What random numbers are for.

    Numbers that are drawn for one purpose never depend on what is drawn for another. A value must not change, or all
    that was made with it can't be made again; a new purpose gets a new value.
    """

    # a simulated motor cortex
    CORTEX_TRUTH = 0
    REACHES = 3
    CORTEX_LATENTS = 5
    CORTEX_SPIKES = 6
    # a stream
    SPIKES = 1
    EVENT_TIMES = 2
    LATENTS = 4
    STIMULATION = 10
    GAIN = 11
    STREAM_PERTURBATIONS = 12
    TEMPLATES = 20
    VOLTAGE_NOISE = 21
    FAR_UNITS = 22
    FAR_SPIKES = 23
    TEMPLATE_ORDER = 24
    # the simulated populations of the Spike-GAN paper
    CORRELATED_GROUPS = 30
    PACKETS = 31
    # training
    WEIGHTS = 40
    TRAINING_STEP = 41
    TRAINING_SAMPLES = 42
    CALIBRATION = 43
    STAGE_CHOICE = 44
    VALIDATION = 45
    K_PAIRWISE_FIT = 46
    BASELINE_SAMPLES = 47
    DECODER_WEIGHTS = 48
    DECODER_CROPS = 49
    SAMPLE_WINDOWS = 50
    TRAINING_CROPS = 51
    STOPPING = 52
    STEP_TIMING = 53
    ONE_STEP = 54
    # evaluation
    MODEL_WINDOWS = 60
    HELD_OUT_WINDOWS = 61
    TRAINING_WINDOWS = 62
    WINDOW_COMPARISON = 63
    NEIGHBOURS = 64
    RESPONSES = 65
    IMPORTANCE = 66
    # export
    EXPORT_CHECK = 80
    SETTLING = 81
    PICTURES = 82
    # a closed loop
    TARGETS = 100
    USER = 101
    CHANCE_DECODER = 103
    KEPT_UNITS = 104
    TRIAL_BOOTSTRAP = 105
    BLIND_ORDER = 106
    DRIFT_OVER_DAYS = 107
    DAY_SEEDS = 108
    DRIFTED_COUNTS = 109
    OBSERVED_TUNING = 110
    DECODER_EVENT_TIMES = 112
    PERTURBATIONS = 200
    # faults of the soak
    SOAK_PLAN = 300
    SOAK_FAULT = 301
    # benchmarks and pictures of the documentation
    BENCHMARK = 900


def random_stream(seed: int, purpose: Purpose, *parts: int) -> np.random.Generator:
    """Random numbers for one purpose: counter-based, the same however many are drawn at once.

    Parameters
    ----------
    seed : int >= 0
    purpose : what the numbers are for
    parts : ints >= 0 that tell several streams of one purpose apart, such as the number of a training step

    Raises
    ------
    BadInputError
        If the seed is negative.
    """
    return np.random.Generator(np.random.Philox(_sequence(seed, purpose, parts)))


def torch_seed(seed: int, purpose: Purpose, *parts: int) -> int:
    """A seed for torch's own generators, 0 to 2**63 - 1, by the same rules as `random_stream`."""
    return int(_sequence(seed, purpose, parts).generate_state(1, np.uint64)[0] >> 1)


def state_of(random: np.random.Generator) -> str:
    """Where a stream of random numbers is, as JSON; `restore_state` goes on from there."""
    return json.dumps(random.bit_generator.state, default=lambda array: array.tolist())


def restore_state(random: np.random.Generator, state: str) -> None:
    """Let a stream of random numbers go on from where `state_of` found it, or another of its kind."""
    random.bit_generator.state = json.loads(state)


def skip_floats(random: np.random.Generator, count: int) -> None:
    """Leave out the next uniform numbers of 32 bits, as if they had been drawn, in no time.

    Parameters
    ----------
    random : numpy.random.Generator
        Of `random_stream`, of which only multiples of 8 such numbers were drawn before.
    count : int >= 0
        A multiple of 8.
    """
    assert count % FLOATS_AT_ONCE == 0
    assert isinstance(random.bit_generator, np.random.Philox)
    random.bit_generator.advance(count // FLOATS_AT_ONCE)


def _sequence(seed: int, purpose: Purpose, parts: tuple[int, ...]) -> np.random.SeedSequence:
    if seed < 0:
        raise BadInputError(f"expected a seed of 0 or more, found {seed}")
    return np.random.SeedSequence((seed, purpose, *parts))
