"""What a closed loop says of conditions that are not called, or not measured, as it expects."""

import pytest

from spikeloop.models.recordings.condition import Condition
from spikeloop.streamer.conditions.loop_channels import describe_scaling, loop_scales, loop_warning


def channels(*named: str, unit: str = "cm/s") -> list[Condition]:
    return [Condition(name, unit, -20.0, 20.0) for name in named]


def test_velocities_in_cm_a_second_need_no_word():
    driven = [*channels("velocity x", "velocity y"), *channels("position x", "position y", unit="cm")]
    assert loop_warning(driven) == describe_scaling(driven) == ""
    assert set(loop_scales(driven).values()) == {1.0}


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ("vx", "vy"),
        ("Vx", "Vy"),
        ("hand_vel_x", "hand_vel_y"),
        ("cursor velocity 0", "cursor velocity 1"),
        ("xvel", "yvel"),
        ("x velocity", "y velocity"),
        ("velX", "velY"),
        ("dx/dt", "dy/dt"),
    ],
)
def test_velocities_of_other_names_are_recognised(x, y):
    found = loop_warning(channels("contrast", x, "speed", y))
    assert f'--rename "{x}=velocity x [cm/s]" "{y}=velocity y [cm/s]"' in found


def test_what_is_no_velocity_is_not_taken_for_one():
    found = loop_warning(channels("odor", "reward", "level"))
    assert '"NAME=velocity x [cm/s]"' in found


@pytest.mark.parametrize("unit", ["", "a.u./s", "pixels/s"])
def test_a_velocity_of_another_unit_is_told_with_its_scale(unit):
    found = loop_warning(channels("velocity x", "velocity y", unit=unit))
    assert "0.4" in found  # 40 wide, taken for 100 cm/s
    assert "-50 to 50 cm/s" in found
    assert '--rename "velocity x=velocity x [cm/s]" "velocity y=velocity y [cm/s]"' in found


@pytest.mark.parametrize(("unit", "scale"), [("m/s", 0.01), ("mm/s", 10.0), ("cm / s", 1.0)])
def test_a_speed_is_converted_without_a_word(unit, scale):
    driven = channels("velocity x", "velocity y", unit=unit)
    assert loop_scales(driven) == {"velocity x": scale, "velocity y": scale}
    assert loop_warning(driven) == describe_scaling(driven) == ""


def test_positions_of_another_unit_are_left_out_and_said_to_rest():
    driven = [*channels("velocity x", "velocity y", unit="a.u./s"), *channels("position x", "position y", unit="a.u.")]
    assert loop_scales(driven) == {"velocity x": 0.4, "velocity y": 0.4}
    assert describe_scaling(driven).endswith("; position x and position y rest")
    one = [*channels("velocity x", "velocity y"), *channels("position y", unit="a.u.")]
    assert describe_scaling(one) == "not in cm and cm/s; position y rests"
