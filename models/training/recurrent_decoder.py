"""A recurrent decoder: a gated recurrent unit (Cho et al. 2014) that decodes kinematics from counts, bin by bin.

Sussillo et al., "A recurrent neural network for closed-loop intracortical brain-machine interface decoders", Journal
of Neural Engineering 2012, used one in closed loop; Glaser et al., "Machine learning for neural decoding", eNeuro 2020,
compare such units with linear decoders offline. It is trained here as theirs: on standardised counts, by the mean
squared error of standardised kinematics, until the error on held-out data no longer falls.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from spikeloop.models.decoders.decoder import Counts, Floats, standards_of
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.models.random_streams import Purpose, torch_seed

__all__ = ["RecurrentConfig", "RecurrentNetwork", "fit_recurrent"]


@dataclass(frozen=True)
class RecurrentConfig:
    """What is built, and how it is trained."""

    hidden: int = 64  # of the recurrent unit
    dropout: float = 0.3  # share of counts put to their mean while training, so that no unit is relied on alone
    crop_bins: int = 64  # of which the error is measured, each crop from a state of zero
    batch: int = 32  # crops a step
    steps: int = 2000  # at most
    rate: float = 2e-3  # of Adam
    held_out: float = 0.1  # share of the bins, the last ones, that decide when to stop
    check_steps: int = 25  # between two tests on held-out bins; small data are learned by heart in a hundred steps
    patience: int = 12  # tests without a smaller error before training stops


class RecurrentNetwork(nn.Module):
    """Decode kinematics from counts, bin by bin.

    Parameters
    ----------
    mean, scale : array of shape (units,)
        Standardise counts.
    offset, spread : array of shape (columns,)
        Mean and standard deviation of the kinematics.
    hidden : int
        Size of the state.
    """

    def __init__(self, mean: Floats, scale: Floats, offset: Floats, spread: Floats, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        for name, values in (("mean", mean), ("scale", scale), ("offset", offset), ("spread", spread)):
            self.register_buffer(name, torch.as_tensor(values, dtype=torch.float32))
        self.mean: Tensor
        self.scale: Tensor
        self.offset: Tensor
        self.spread: Tensor
        self.recurrence = nn.GRU(len(mean), hidden, batch_first=True)
        self.readout = nn.Linear(hidden, len(offset))

    @property
    def units(self) -> int:
        """Number of units."""
        return len(self.mean)

    def unroll(self, standardised: Tensor) -> Tensor:
        """Decode standardised counts, (runs, bins, units), to standardised kinematics, (runs, bins, columns)."""
        return self.readout(self.recurrence(standardised)[0])

    def forward(self, counts: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Decode one bin: counts, (runs, units), and state, (runs, hidden), to kinematics, (runs, 2), and state."""
        after = torch.gru_cell((counts - self.mean) / self.scale, hidden, *self.recurrence.all_weights[0])
        return self.readout(after) * self.spread + self.offset, after


def fit_recurrent(
    counts: Counts, kinematics: NDArray[np.floating], *, seed: int = 0, config: RecurrentConfig | None = None
) -> RecurrentNetwork:
    """Train a network.

    Parameters
    ----------
    counts : array of shape (bins, units)
    kinematics : array of shape (bins, columns)
    seed : int >= 0
        The same seed gives the same weights.
    config : RecurrentConfig, optional

    Returns
    -------
    RecurrentNetwork

    Raises
    ------
    BadInputError
        If shapes don't fit, kinematics aren't finite, or bins are too few for a crop beside what is held out.
    FailureError
        If training diverges.
    """
    config = config or RecurrentConfig()
    standards = standards_of(counts, kinematics)
    training_bins = int(len(counts) * (1 - config.held_out))
    if training_bins < config.crop_bins or training_bins == len(counts):
        raise BadInputError(
            f"expected {config.crop_bins} bins to train a recurrent decoder on, and {config.held_out:.0%} of all held"
            f" out, found {len(counts)} in all; give more data"
        )
    spread = np.where(np.ptp(kinematics, axis=0) > 0, kinematics.std(axis=0, dtype=np.float64), 1.0)
    with torch.random.fork_rng(devices=()), _one_thread():
        torch.manual_seed(torch_seed(seed, Purpose.DECODER_WEIGHTS))
        network = RecurrentNetwork(standards.mean, standards.scale, standards.offset, spread, config.hidden)
        seen = (torch.as_tensor(counts, dtype=torch.float32) - network.mean) / network.scale
        truth = (torch.as_tensor(kinematics, dtype=torch.float32) - network.offset) / network.spread
        _train(
            network,
            seen,
            truth,
            training_bins,
            torch.Generator().manual_seed(torch_seed(seed, Purpose.DECODER_CROPS)),
            config,
        )
    return network.eval().requires_grad_(False)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread: so small a network gains nothing from more, and their number would change its sums."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _train(
    network: RecurrentNetwork,
    seen: Tensor,
    truth: Tensor,
    training_bins: int,
    random: torch.Generator,
    config: RecurrentConfig,
) -> None:
    """Train on random crops of the first bins, and keep the weights with the least error on the last ones.

    Parameters
    ----------
    seen, truth : tensors of shape (bins, units) and (bins, columns)
        Standardised.
    training_bins : int
        The first ones; the others are held out.
    """
    optimizer = torch.optim.Adam(network.parameters(), config.rate)
    span = torch.arange(config.crop_bins)
    best, weights, tests_since = float("inf"), deepcopy(network.state_dict()), 0
    for step in range(1, config.steps + 1):
        first = torch.randint(training_bins - config.crop_bins + 1, (config.batch, 1), generator=random)
        crops = seen[first + span]  # (batch, bins, units)
        kept = torch.rand(crops.shape, generator=random) >= config.dropout
        error = F.mse_loss(network.unroll(crops * kept / (1 - config.dropout)), truth[first + span])
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        if step % config.check_steps and step != config.steps:
            continue
        held_out = _error(network, seen[training_bins:], truth[training_bins:])
        if not np.isfinite(held_out):
            raise FailureError(
                f"training of the recurrent decoder diverged at step {step} (error {held_out}); check that counts are"
                " finite, or try another seed"
            )
        tests_since += 1
        if held_out < best:
            best, weights, tests_since = held_out, deepcopy(network.state_dict()), 0
        if tests_since == config.patience:
            break
    network.load_state_dict(weights)


@torch.no_grad()
def _error(network: RecurrentNetwork, seen: Tensor, truth: Tensor) -> float:
    return F.mse_loss(network.unroll(seen[None])[0], truth).item()
