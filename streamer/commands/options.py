"""What several commands check before they start."""

from importlib.util import find_spec

from spikeloop.models.errors import BadInputError, FailureError

__all__ = ["bins_of", "check_seed", "require_packages", "require_torch"]

LONGEST_DURATION_S = 10 * 365.25 * 86400
ROUNDING = 1e-6  # of a bin: 0.3 s of 0.1-s bins are three, though 0.3 / 0.1 < 3 in floats
LARGEST_SEED = 2**63 - 1  # what torch takes, and any reader of a stream's description


def check_seed(seed: int) -> None:
    """Raise BadInputError for a seed that can't be one."""
    if not 0 <= seed <= LARGEST_SEED:
        raise BadInputError(f"--seed: expected a whole number from 0 to 2**63 - 1, found {seed}")


def bins_of(duration_s: float, bin_size_s: float) -> int:
    """The number of whole bins of a duration; BadInputError where there is not one, or no end."""
    if not bin_size_s <= duration_s <= LONGEST_DURATION_S:
        raise BadInputError(
            f"--duration: expected at least one bin ({bin_size_s:g} s) and at most ten years, found {duration_s:g} s"
        )
    return int(duration_s / bin_size_s + ROUNDING)


def require_torch() -> None:
    """Make sure that what training and export need is installed.

    Raises
    ------
    FailureError
        If it is not; says what to install.
    """
    require_packages("torch", "onnx", "onnxscript", "safetensors", "filelock")


def require_packages(*names: str, extra: str = "train", what: str = "training") -> None:
    """Make sure that these packages of an extra are installed.

    Raises
    ------
    FailureError
        If they are not; says what to install.
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise FailureError(f"{', '.join(missing)} not installed, which {what} needs; pip install 'spikeloop[{extra}]'")
