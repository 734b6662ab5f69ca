"""Other streams of a stream's own name on a broker: noticed by their status, and warned of once."""

import json
import logging
import uuid

__all__ = ["Namesakes"]

LOG = logging.getLogger(__name__)
MOST = 1000  # that are kept track of


class Namesakes:
    """Hears the status of all streams of a name.

    Parameters
    ----------
    name : str

    Attributes
    ----------
    run : str
        Of the stream itself, which its status has.
    """

    def __init__(self, name: str) -> None:
        self.run = uuid.uuid4().hex[:12]
        self._name, self._others = name, set[str]()

    @property
    def number(self) -> int:
        """How many others there were."""
        return len(self._others)

    def note(self, payload: bytes, retained: bool) -> bool:
        """Note a status; return whether to publish one's own, which another has overwritten or does not know yet.

        Parameters
        ----------
        payload : bytes
        retained : bool
            Whether the broker kept it, perhaps of a stream that has ended.
        """
        try:
            status = json.loads(payload)
        except (ValueError, RecursionError):
            return False
        if retained or not isinstance(status, dict) or status.get("run") == self.run:
            return False
        if status.get("state") == "offline":
            return True  # of another, as one's own comes when nobody listens any more
        other = f"{status.get('run', '')!s:.40}"
        if other in self._others or len(self._others) >= MOST:
            return False
        if not self._others:
            LOG.warning(
                "another stream named %r publishes to the same broker; its messages are mixed with this one's: stop"
                " it, or choose another name with --name",
                self._name,
            )
        self._others.add(other)
        return True
