from dataclasses import fields

import numpy as np
import pytest

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.broadband.options import VoltageOptions


def test_every_option_by_default_is_fine():
    VoltageOptions().check_voltage()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampling_rate_hz": 9_999}, "--sampling-rate: expected a whole number from 10000 to 50000 Hz, found 9999"),
        ({"sampling_rate_hz": 30_000.5}, "--sampling-rate: expected a whole number"),
        ({"broadband_as": "ecog"}, "--broadband-as: expected broadband or eeg, found 'ecog'"),
        ({"drift_um": -1}, "--drift: expected 0 to 1000 um, found -1"),
        ({"drift_period_s": 0}, "--drift-period: expected 1 to"),
        ({"drift_um": 500, "drift_period_s": 2}, "--drift: expected at most 100 um/s, found 500 um/s; choose a longer"),
        ({"drift_period_s": 60}, "--drift-period: expected a drift to repeat, found none; add --drift"),
        ({"adaptation": 1}, "--adaptation: expected 0 to 0.9, found 1"),
        ({"far_units": -1}, "--far-units: expected a whole number from 0 to 20000, found -1"),
        ({"propagation_m_s": 0}, "--propagation: expected 0.1 to 100 m/s, found 0"),
        ({"templates": ""}, "--templates: expected the path"),
        ({"templates": "analyzer", "probe": "linear"}, "--probe: expected none with --templates"),
        ({"templates": "analyzer", "drift_um": 5}, "--drift: expected none with --templates"),
        ({"templates": "analyzer", "far_units": 5}, "--far-units: expected none with --templates"),
        ({"templates": "analyzer", "channels": 5}, "--channels: expected none with --templates"),
        ({"templates": "analyzer", "propagation_m_s": 0.5}, "--propagation: expected none with --templates"),
    ],
)
def test_what_is_out_of_range_is_named(options, message):
    with pytest.raises(BadInputError) as refused:
        VoltageOptions(**options).check_voltage()
    assert message in str(refused.value)


SHAPING = {  # each option, with a value of its own
    "probe": ("linear", "--probe"),
    "channels": (8, "--channels"),
    "sampling_rate_hz": (20_000, "--sampling-rate"),
    "broadband_as": ("eeg", "--broadband-as"),
    "templates": ("analyzer", "--templates"),
    "drift_um": (30, "--drift"),
    "drift_period_s": (60, "--drift-period"),
    "adaptation": (0.3, "--adaptation"),
    "far_units": (10, "--far-units"),
    "propagation_m_s": (0.67, "--propagation"),
}


@pytest.mark.parametrize("name", [field.name for field in fields(VoltageOptions)])
def test_without_a_voltage_every_option_that_shapes_one_is_refused_by_name(name):
    value, option = SHAPING[name]
    with pytest.raises(BadInputError, match=rf"^{option}: expected a voltage to shape, found none; add --broadband$"):
        VoltageOptions(**{name: value}).check_no_voltage("--broadband")


def test_without_a_voltage_what_has_its_default_is_fine():
    VoltageOptions(sampling_rate_hz=np.int64(30_000), drift_um=0).check_no_voltage("--broadband")  # pyright: ignore[reportArgumentType]
