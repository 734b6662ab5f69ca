import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloop.models.errors import BadInputError
from spikeloop.streamer.devices.planar_arm import PlanarArm

ARM = PlanarArm()
SIDE_CM = 12.0  # half of the closed loop's workspace
inside = st.tuples(*[st.floats(-SIDE_CM, SIDE_CM)] * 2).map(np.array)
joints = st.tuples(*[st.floats(low, high) for low, high in zip(ARM.low_rad, ARM.high_rad, strict=True)]).map(np.array)


def test_the_endpoint_of_known_postures():
    arm = PlanarArm(upper_cm=3.0, lower_cm=2.0, shoulder_cm=(1.0, 1.0))
    for posture, endpoint in (((0, 0), (6, 1)), ((np.pi / 2, 0), (1, 6)), ((0, np.pi / 2), (4, 3))):
        assert arm.endpoint_cm(np.array(posture, np.float64)) == pytest.approx(endpoint, abs=1e-12)
    assert arm.elbow_cm(np.array([np.pi / 2, 1.0])) == pytest.approx((1, 4))


@given(inside)
def test_the_whole_workspace_is_reached_and_inverse_then_forward_is_the_identity(place):
    assert ARM.endpoint_cm(ARM.joints_rad(place)) == pytest.approx(place, abs=1e-9)


@pytest.mark.parametrize("place", [(0.0, 30.0), (0.0, -45.0), (80.0, 0.0)])
def test_what_is_out_of_reach_is_told(place):
    with pytest.raises(BadInputError, match="the arm doesn't reach"):
        ARM.joints_rad(np.array(place))


@given(joints)
def test_the_jacobian_is_the_derivative_of_the_endpoint(posture):
    small = 1e-6
    differences = [
        (ARM.endpoint_cm(posture + small * each) - ARM.endpoint_cm(posture - small * each)) / (2 * small)
        for each in np.eye(2)
    ]
    assert ARM.jacobian_cm(posture) == pytest.approx(np.stack(differences, axis=1), abs=1e-6)


@given(joints, st.tuples(*[st.floats(-50, 50)] * 2).map(np.array))
def test_joint_velocities_minimise_the_error_and_the_damped_effort(posture, velocity):
    """The oracle: least squares of [J; damping I] on [v; 0]."""
    stacked = np.vstack([ARM.jacobian_cm(posture), ARM.damping_cm * np.eye(2)])
    best = np.linalg.lstsq(stacked, np.append(velocity, [0.0, 0.0]), rcond=None)[0]
    assert ARM.joint_velocities(posture, velocity) == pytest.approx(best, abs=1e-9)


def test_without_damping_the_endpoint_moves_exactly_as_asked():
    arm = PlanarArm(damping_cm=0.0)
    posture = arm.joints_rad(np.array([3.0, -4.0]))
    moved = arm.jacobian_cm(posture) @ arm.joint_velocities(posture, np.array([10.0, -5.0]))
    assert moved == pytest.approx([10.0, -5.0])


def test_joint_velocities_stay_small_at_a_singularity():
    stretched = np.array([0.0, 0.0])
    along = ARM.joint_velocities(stretched, np.array([50.0, 0.0]))  # which no joint velocity can give
    assert np.abs(along).max() < 1e-9
    near = PlanarArm(damping_cm=1e-6)
    barely = np.array([0.0, 1e-3])
    velocity = np.array([50.0, 0.0])
    assert np.abs(ARM.joint_velocities(barely, velocity)).max() < 30
    assert np.abs(near.joint_velocities(barely, velocity)).max() > 1000


def test_moving_in_small_steps_follows_a_straight_line():
    posture = ARM.joints_rad(np.array([-5.0, 0.0]))
    for _ in range(1000):
        posture = ARM.moved(posture, np.array([10.0, 5.0]), 0.001)
    assert ARM.endpoint_cm(posture) == pytest.approx([5.0, 5.0], abs=0.1)


@given(joints, st.tuples(*[st.floats(-1e4, 1e4)] * 2).map(np.array))
def test_joints_stay_within_their_limits(posture, velocity):
    moved = ARM.moved(posture, velocity, 0.1)
    assert (moved >= ARM.low_rad).all()
    assert (moved <= ARM.high_rad).all()
