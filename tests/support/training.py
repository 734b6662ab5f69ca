"""Training and export that take seconds: the smallest models, briefly calibrated, without graphs of importance."""

from dataclasses import replace

import pytest

from spikeloop.models.families.registry import load_gan_family

__all__ = ["calibrate_briefly", "export_no_importance", "train_small_models"]

SMALL = {"features": 8, "batch": 8, "likelihood_batch": 8, "state_size": 16, "lead_in_bins": 32, "critic_views": False}


def train_small_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every preset of the causal GAN, which is the default family, a small one."""
    presets = load_gan_family("causal_gan").presets
    for name, config in presets.items():
        monkeypatch.setitem(presets, name, replace(config, **SMALL))
    calibrate_briefly(monkeypatch)
    export_no_importance(monkeypatch)


def calibrate_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw few and short runs where a model is calibrated, and where it is settled before its export."""
    from spikeloop.exporters import export
    from spikeloop.models.training import run

    monkeypatch.setattr(run, "CALIBRATION_WINDOWS", 64)
    monkeypatch.setattr(run, "CALIBRATION_ROUNDS", 2)
    monkeypatch.setattr(run, "LONGEST_RUN_BINS", 128)
    monkeypatch.setattr(export, "SETTLING_BINS", 64)


def export_no_importance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the graphs of importance, which take most of the time: no window is as long as their span."""
    from spikeloop.exporters.graphs import critic

    monkeypatch.setattr(critic, "SPAN_BINS", 1000)
