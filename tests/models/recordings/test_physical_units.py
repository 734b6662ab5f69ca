import pytest

from spikeloop.models.recordings.physical_units import factor_between


@pytest.mark.parametrize(
    ("stated", "wanted", "factor"),
    [
        ("m/s", "cm/s", 100.0),
        ("meters per second", "cm/s", 100.0),
        ("mm/s", "cm/s", 0.1),
        ("m s-1", "cm/s", 100.0),
        ("m·s⁻¹", "mm/s", 1000.0),
        ("cm / sec", "cm/s", 1.0),
        ("metres", "cm", 100.0),
        ("µm", "mm", 0.001),
        ("cm", "cm", 1.0),
    ],
)
def test_lengths_and_speeds_are_converted(stated, wanted, factor):
    assert factor_between(stated, wanted) == factor
    assert factor_between(wanted, stated) == pytest.approx(1 / factor)


@pytest.mark.parametrize(
    ("stated", "wanted"),
    [
        ("m", "cm/s"),
        ("", "cm/s"),
        ("a.u./s", "cm/s"),
        ("pixels", "cm"),
        ("m/min", "cm/s"),
        ("m/s/s", "cm/s"),
        ("m/s", ""),
    ],
)
def test_what_is_no_length_or_speed_is_not_converted(stated, wanted):
    assert factor_between(stated, wanted) is None
