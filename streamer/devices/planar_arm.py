"""Kinematics of a planar arm of two joints."""

from dataclasses import dataclass

import numpy as np

from spikeloop.models.arrays import Floats
from spikeloop.models.errors import BadInputError

__all__ = ["PlanarArm"]


@dataclass(frozen=True)
class PlanarArm:
    """Shoulder and elbow in the plane of the cursor; joint angles are (shoulder from the x axis, elbow from straight).

    Lengths of an adult's upper arm and forearm with hand, after Shadmehr & Mussa-Ivaldi 1994 (J Neurosci 14:3208). The
    shoulder's place lets the endpoint reach all of the closed loop's workspace of 24 by 24 cm.

    Attributes
    ----------
    upper_cm, lower_cm : float > 0, cm
    shoulder_cm : tuple of 2 floats, cm
        Position of the shoulder, from the workspace's centre.
    low_rad, high_rad : tuple of 2 floats, rad
        Limits of shoulder and elbow; the elbow does not straighten fully, where the arm is singular.
    damping_cm : float >= 0, cm
        Of the inverse; velocities that the arm can reach easily come out up to a share (damping / length)^2 too small.
    """

    upper_cm: float = 33.0
    lower_cm: float = 34.0
    shoulder_cm: tuple[float, float] = (0.0, -45.0)
    low_rad: tuple[float, float] = (-0.5, 0.1)
    high_rad: tuple[float, float] = (2.6, 2.6)
    damping_cm: float = 1.0

    def elbow_cm(self, joints_rad: Floats) -> Floats:
        """Compute the elbow's position, cm, of shape (2,), from the joint angles, rad, of shape (2,)."""
        shoulder = float(joints_rad[0])
        return np.array(self.shoulder_cm) + self.upper_cm * np.array([np.cos(shoulder), np.sin(shoulder)])

    def endpoint_cm(self, joints_rad: Floats) -> Floats:
        """Compute the endpoint's position, cm, of shape (2,), from the joint angles, rad, of shape (2,)."""
        both = float(joints_rad.sum())
        return self.elbow_cm(joints_rad) + self.lower_cm * np.array([np.cos(both), np.sin(both)])

    def jacobian_cm(self, joints_rad: Floats) -> Floats:
        """Compute the endpoint's movement, cm/rad, of shape (axes, joints)."""
        to_endpoint = self.endpoint_cm(joints_rad) - np.array(self.shoulder_cm)
        to_elbow = self.elbow_cm(joints_rad) - np.array(self.shoulder_cm)
        levers = np.stack([to_endpoint, to_endpoint - to_elbow], axis=1)
        return np.stack([-levers[1], levers[0]])

    def joints_rad(self, endpoint_cm: Floats) -> Floats:
        """Compute the joint angles, rad, of shape (2,), of an endpoint, with the elbow bent to the right of the reach.

        Raises
        ------
        BadInputError
            If the arm can't reach there.
        """
        x, y = np.asarray(endpoint_cm, np.float64) - np.array(self.shoulder_cm)
        upper, lower = self.upper_cm, self.lower_cm
        bend = (x * x + y * y - upper**2 - lower**2) / (2 * upper * lower)  # law of cosines
        elbow = float(np.arccos(np.clip(bend, -1.0, 1.0)))
        shoulder = float(np.arctan2(y, x) - np.arctan2(lower * np.sin(elbow), upper + lower * np.cos(elbow)))
        joints = np.array([(shoulder + np.pi) % (2 * np.pi) - np.pi, elbow])
        if not -1.0 <= bend <= 1.0 or (joints < self.low_rad).any() or (joints > self.high_rad).any():
            raise BadInputError(f"the arm doesn't reach ({endpoint_cm[0]:g}, {endpoint_cm[1]:g}) cm within its limits")
        return joints

    def joint_velocities(self, joints_rad: Floats, velocity_cm_s: Floats) -> Floats:
        """Compute joint velocities, rad/s, of shape (2,), of an endpoint's velocity by damped least squares.

        J^T (J J^T + damping^2 I)^-1 v (Nakamura & Hanafusa 1986, Wampler 1986) stays small where the arm is near a
        singularity, and the plain inverse does not.
        """
        jacobian = self.jacobian_cm(joints_rad)
        damped = jacobian @ jacobian.T + self.damping_cm**2 * np.eye(2)
        return jacobian.T @ np.linalg.solve(damped, velocity_cm_s)

    def moved(self, joints_rad: Floats, velocity_cm_s: Floats, duration_s: float) -> Floats:
        """Compute the joint angles, rad, of shape (2,), after a short movement; a joint stops at its limits."""
        joints = joints_rad + duration_s * self.joint_velocities(joints_rad, velocity_cm_s)
        return np.clip(joints, self.low_rad, self.high_rad)
