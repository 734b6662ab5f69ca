"""The workers of a scheduler of Dask; of one that dies, the scheduler runs the tasks again elsewhere."""

from collections.abc import Sequence

from spikeloop.models.errors import FailureError, in_one_line
from spikeloop.models.packages import require_packages
from spikeloop.streamer.batch.engine import Answers, Task, Work, could_not_run

__all__ = ["DaskEngine"]

CONNECTS_WITHIN_S = 30.0


class DaskEngine:
    """Runs tasks on the workers of a scheduler.

    Parameters
    ----------
    address : str
        Such as "tcp://10.0.0.1:8786" or "10.0.0.1:8786".

    Raises
    ------
    FailureError
        If dask.distributed is not installed.
    """

    def __init__(self, address: str) -> None:
        require_packages("distributed", extra="batch", what="--engine dask")
        self._address = address

    def run(self, work: Work, tasks: Sequence[Task]) -> Answers:
        """Run all; see `Engine`.

        Raises
        ------
        FailureError
            If there is no scheduler at the address, or it is lost.
        """
        from distributed import Client, as_completed

        try:
            client = Client(self._address, timeout=CONNECTS_WITHIN_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise FailureError(
                f"--engine dask:{self._address}: expected a scheduler of Dask there, found none ({in_one_line(error)})"
            ) from error
        with client:
            futures = {client.submit(work, task.text, key=f"spikeloop-{task.key}", pure=False): task for task in tasks}
            try:
                for future in as_completed(futures, loop=client.loop):
                    yield futures[future], _answer(future, futures[future])
            finally:
                client.cancel(list(futures))


def _answer(future: "object", task: Task) -> str:
    """What a task gave; where its workers died one after another, or lack the package, that it could not run."""
    try:
        return future.result()  # pyright: ignore[reportAttributeAccessIssue]
    except Exception as error:  # whatever a worker raises
        return could_not_run(f"{task.name}: {type(error).__name__}: {in_one_line(error)}")
