"""Run a windowed generator on ONNX Runtime, and never let an invalid probability out."""

import time

import numpy as np
from numpy.typing import NDArray

from spikeloop.exporters.bundle import Bundle
from spikeloop.models.errors import BadInputError, FailureError
from spikeloop.streamer.inference.runtime import Device, check_signature, first_line, open_generator

__all__ = ["Engine"]

LATENT, PROBABILITY = "latent", "probability"


class Engine:
    """A generator of windows ready to run.

    Attributes
    ----------
    provider : str
        The ONNX Runtime provider really in use.
    notice : str
        One line for the user where that is not the one asked for; else empty.
    inference_s : float, s
        Duration of the latest run.
    """

    def __init__(self, bundle: Bundle, device: Device = "auto") -> None:
        """Load the generator and run it once.

        Parameters
        ----------
        bundle : Bundle
        device : {"auto", "cpu", "cuda"}

        Raises
        ------
        BadInputError
            If the ONNX file is no such generator, or `cuda` was asked for and is not to be had.
        FailureError
            If ONNX Runtime is not installed, or the generator gives anything but probabilities.
        """
        self.card = bundle.card
        self.inference_s = 0.0
        self._session, self.provider, self.notice = open_generator(bundle, device)
        self._binding = self._session.io_binding()
        output = ("windows", self.card.window_bins, len(self.card.unit_names))
        check_signature(
            self.card.name, self._session, [(LATENT, ("windows", self.card.latent_size))], [(PROBABILITY, output)]
        )
        self.run(np.zeros((1, bundle.card.latent_size), np.float32))

    def run(self, latent: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the spike probabilities of windows.

        Parameters
        ----------
        latent : array of shape (windows, latent), float32

        Returns
        -------
        array of shape (windows, bins, units), float32

        Raises
        ------
        FailureError
            If the model gives NaN, anything outside 0 to 1, or another shape.
        """
        began = time.perf_counter()
        self._binding.bind_cpu_input(LATENT, np.ascontiguousarray(latent))
        self._binding.bind_output(PROBABILITY, "cpu")
        try:
            self._session.run_bound(self._binding)
        except Exception as error:  # ONNX Runtime's own exceptions share no base
            raise FailureError(f"{self.card.name}: the generator failed ({first_line(error)})") from error
        probability = self._binding.copy_outputs_to_cpu()[0]
        self.inference_s = time.perf_counter() - began
        expected = (len(latent), self.card.window_bins, len(self.card.unit_names))
        if probability.shape != expected:
            raise BadInputError(
                f"{self.card.name}: expected an output of shape {expected} (windows, bins, units), the generator"
                f" gives {probability.shape}; its card and its ONNX file don't belong together"
            )
        if not (probability.min() >= 0 and probability.max() <= 1):
            raise FailureError(
                f"{self.card.name}: expected spike probabilities from 0 to 1, the generator gave"
                f" {probability.min()} to {probability.max()}; nothing of it was emitted: train or export it anew"
            )
        return probability
