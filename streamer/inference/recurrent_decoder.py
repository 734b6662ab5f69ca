"""The recurrent decoder: trained by torch at every fit, and then run as an ONNX file."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spikeloop.models.decoders.decoder import Counts, Decoder, Floats, fitted
from spikeloop.models.errors import FailureError
from spikeloop.models.interrupts import hold_interrupts
from spikeloop.models.packages import install_command
from spikeloop.streamer.inference.decoder_files.onnx_file import open_onnx

if TYPE_CHECKING:
    from spikeloop.models.training.recurrent_decoder import RecurrentConfig

__all__ = ["RecurrentDecoder"]

TRAINING_PACKAGES = ("torch", "onnx")


class RecurrentDecoder:
    """A gated recurrent unit, trained by `models.training.recurrent_decoder` at every fit and then run as an ONNX file.

    Parameters
    ----------
    bin_size_s : float > 0, s
        For the file.
    seed : int, default 0
        Of training.
    config : RecurrentConfig, default None
        Of the network; None for a suitable one.

    Attributes
    ----------
    exported : bytes
        The file, in the format of `exporters.graphs.decoder`; empty before the first fit.

    Raises
    ------
    FailureError
        If torch or onnx are not installed, rather than at a fit, after a long calibration.
    """

    def __init__(self, bin_size_s: float, seed: int = 0, config: "RecurrentConfig | None" = None) -> None:
        if missing := [package for package in TRAINING_PACKAGES if find_spec(package) is None]:
            raise FailureError(
                f"the recurrent decoder learns with torch and onnx (no {' and no '.join(missing)});"
                f" {install_command('train')}"
            )
        self.exported = b""
        self._bin_size_s, self._seed, self._config = bin_size_s, seed, config
        self._decoder: Decoder | None = None

    def fit(self, counts: Counts, kinematics: NDArray[np.floating]) -> None:
        """Train, which takes 5 to 30 s for 9000 bins of 96 units, and begin anew.

        Raises
        ------
        BadInputError
            If shapes don't fit, kinematics aren't finite, or there are too few bins.
        FailureError
            If training diverges, or torch or ONNX Runtime are not installed.
        """
        try:
            with hold_interrupts():
                from spikeloop.exporters.graphs.decoder import decoder_to_onnx
                from spikeloop.models.training.recurrent_decoder import fit_recurrent
        except ImportError as error:
            raise FailureError(
                f"the recurrent decoder learns with torch and onnx ({error}); {install_command('train')}"
            ) from error
        network = fit_recurrent(counts, kinematics, seed=self._seed, config=self._config)
        self.exported = decoder_to_onnx(network, self._bin_size_s)
        self._decoder = open_onnx(
            self.exported, counts.shape[1], self._bin_size_s, columns=kinematics.shape[1], name="recurrent"
        )

    def step(self, counts: Counts) -> Floats:
        """Kinematics (columns,) of the next bin."""
        return fitted(self._decoder).step(counts)
