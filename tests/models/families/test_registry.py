import subprocess
import sys

import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.models.families.baselines import Baseline
from spikeloop.models.families.gan import Gan
from spikeloop.models.families.population import population_of
from spikeloop.models.families.registry import (
    FAMILIES,
    load_baseline,
    load_gan_family,
    preset,
    suited_preset,
)
from spikeloop.models.recordings.conditioning import with_phase
from spikeloop.models.recordings.simulated import correlated_groups


@pytest.mark.parametrize("name", FAMILIES)
def test_every_line_of_the_table_leads_to_a_family_with_a_preset_for_any_recording(name):
    recording = correlated_groups(windows=20, window_bins=32, units=4)
    chosen = suited_preset(name, recording)
    if FAMILIES[name].baseline:
        assert isinstance(load_baseline(name), Baseline)
        assert chosen in load_baseline(name).presets
        return
    family = load_gan_family(name)
    population = population_of(with_phase(recording) if FAMILIES[name].conditional else recording)
    assert isinstance(family.model(preset(name, chosen).config, population), Gan)


def test_a_name_that_is_none_is_told_the_others():
    with pytest.raises(BadInputError, match="no family named 'gan'; there are dichotomized_gaussian, k_pairwise"):
        load_baseline("gan")
    with pytest.raises(BadInputError, match="no family named 'k_pairwise'; there are causal_gan"):
        load_gan_family("k_pairwise")


def test_sampling_a_baseline_needs_no_torch():
    """As the streamer does."""
    program = (
        "import sys\n"
        "from spikeloop.models.families.registry import BASELINES, load_baseline\n"
        "for name in BASELINES: load_baseline(name)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
