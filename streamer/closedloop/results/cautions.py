"""What keeps a comparison from being fair, or from being compared with others."""

from collections.abc import Iterator, Sequence

from spikeloop.streamer.closedloop.ceiling import Ceiling, counted
from spikeloop.streamer.closedloop.comparison import Run
from spikeloop.streamer.closedloop.results.judged import judged
from spikeloop.streamer.closedloop.setup import Setup
from spikeloop.streamer.conditions.loop_channels import describe_scaling

__all__ = ["cautions", "ceiling_of"]

LEAST_SHARE = 0.9  # of targets, that a loop should let a decoder acquire that knows the intended velocity


def cautions(setup: Setup, ceiling: Ceiling | None) -> tuple[str, ...]:
    """Warn of a loop that not even the oracle gets through, and of units that are not known.

    Parameters
    ----------
    setup : Setup
    ceiling : Ceiling or None
        None where it is not known.

    Returns
    -------
    tuple of str
        A sentence each.
    """
    return (*_of_the_loop(setup, ceiling), *_of_units(setup))


def _of_the_loop(setup: Setup, ceiling: Ceiling | None) -> Iterator[str]:
    if ceiling is None or not ceiling.trials or ceiling.successes >= LEAST_SHARE * ceiling.trials:
        return
    yield (
        f"even a decoder that knows the intended velocity (oracle) acquires only {ceiling.successes} of"
        f" {ceiling.trials} targets; failures are the loop's own, before they are a decoder's"
        f" ({', '.join(_what_is_hard(setup))})"
    )


def _what_is_hard(setup: Setup) -> list[str]:
    """What departs from the usual loop; the task, where nothing does."""
    plan, task = setup.plan, setup.plan.task
    found = [f"perturbation {perturbation}" for perturbation in plan.perturbations]
    found += [f"decoder bins of {setup.decoder_bin_s * 1000:g} ms"] if plan.decoder_bins > 1 else []
    found += [f"gain {plan.gain:g}"] if plan.gain != 1 else []
    found += [f"smoothing {plan.smoothing:g}"] if plan.smoothing else []
    return found or [f"task {task.name}, {task.hold_s:g} s hold, {task.timeout_s:g} s timeout"]


def _of_units(setup: Setup) -> Iterator[str]:
    card = setup.loaded.card
    if scaling := describe_scaling(card.channels):
        yield (
            f"{card.name} is {scaling}. Figures depend on this scale: compare decoders of this bundle with each other,"
            " not with those of other bundles"
        )


def ceiling_of(setup: Setup, runs: Sequence[Run]) -> Ceiling | None:
    """Return what the oracle came to in a comparison; None where it took no part."""
    oracles = {name for name, spec in setup.decoders.items() if spec.kind == "oracle"}
    trials = [trial for run in runs if run.decoder in oracles for trial in judged(run)]
    return counted(trials) if trials else None
