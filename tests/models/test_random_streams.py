import ast
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.models.random_streams import Purpose, random_stream, restore_state, skip_floats, state_of, torch_seed
from tests.support.places import REPOSITORY

ROOMS = ("models", "exporters", "streamer", "spikeloop", "benchmarks", "docs", "examples")
BUILDERS = {"Philox", "PCG64", "SFC64", "MT19937", "SeedSequence", "default_rng", "RandomState", "initial_seed"}
REGISTER = REPOSITORY / "models" / "random_streams.py"


def names_in(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return attributes | {node.id for node in nodes if isinstance(node, ast.Name)}


def sources() -> list[Path]:
    return [path for room in ROOMS for path in (REPOSITORY / room).rglob("*.py") if not path.is_symlink()]


@pytest.mark.parametrize("seed", [0, 1, 12345, 2**31 - 1])
def test_no_two_purposes_share_numbers(seed):
    drawn = {purpose: random_stream(seed, purpose).integers(2**63, size=200) for purpose in Purpose}
    for one, other in combinations(drawn.values(), 2):
        assert not np.intersect1d(one, other).size


def test_no_two_purposes_share_a_seed_for_torch():
    assert len({torch_seed(0, purpose, part) for purpose in Purpose for part in range(1, 5)}) == 4 * len(Purpose)


def test_parts_of_a_purpose_differ_and_are_repeatable():
    drawn = [random_stream(3, Purpose.PERTURBATIONS, part).integers(2**63) for part in (1, 2, 1)]
    assert drawn[0] == drawn[2] != drawn[1]


def test_a_negative_seed_is_refused():
    with pytest.raises(BadInputError, match="expected a seed of 0 or more, found -1"):
        random_stream(-1, Purpose.SPIKES)
    with pytest.raises(BadInputError, match="expected a seed of 0 or more, found -1"):
        torch_seed(-1, Purpose.WEIGHTS)


def test_nothing_else_builds_a_generator_of_random_numbers():
    assert REGISTER in sources()
    found = {str(path): sorted(BUILDERS & names_in(path)) for path in sources() if path != REGISTER}
    assert {path: names for path, names in found.items() if names} == {}


def test_every_seed_that_torch_gets_comes_from_the_register():
    unregistered = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "manual_seed":
                given = ast.unparse(node.args[0])
                if not given.startswith("torch_seed("):
                    unregistered.append(f"{path}:{node.lineno} manual_seed({given})")
    assert unregistered == []


@pytest.mark.parametrize(("drawn", "skipped"), [(0, 8), (8, 80), (24, 8 * 10**6)])
def test_numbers_that_are_skipped_are_those_that_would_have_been_drawn(drawn, skipped):
    whole, skipping = random_stream(3, Purpose.SPIKES), random_stream(3, Purpose.SPIKES)
    whole.random(drawn + skipped, np.float32)
    skipping.random(drawn, np.float32)
    skip_floats(skipping, skipped)
    np.testing.assert_array_equal(skipping.random(100, np.float32), whole.random(100, np.float32))


@pytest.mark.parametrize("drawn", [0, 1, 7, 1001])
def test_a_stream_goes_on_from_where_its_state_was_taken(drawn):
    first, other = random_stream(3, Purpose.SPIKES), random_stream(4, Purpose.LATENTS)
    first.standard_normal(drawn, np.float32)
    restore_state(other, state_of(first))
    np.testing.assert_array_equal(other.standard_normal(50, np.float32), first.standard_normal(50, np.float32))
    np.testing.assert_array_equal(other.random(50), first.random(50))
