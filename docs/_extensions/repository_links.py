"""Links of pages to files outside docs/ lead to the code host; a file that is not there is a warning."""

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

HOME = "https://github.com/spikeloop/spikeloop"
LINK = re.compile(r"\]\((\.\.?/[^)#\s]*)(#[^)\s]*)?\)")

logger = logging.getLogger(__name__)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("source-read", _lead_out)
    return {"parallel_read_safe": True}


def _lead_out(app: Sphinx, page: str, source: list[str]) -> None:
    path = Path(app.env.doc2path(page))

    def lead(link: re.Match[str]) -> str:
        target = (path.parent / link[1]).resolve()
        if target.is_relative_to(app.srcdir):
            return link[0]
        if not target.exists():
            logger.warning("%s: no such file in the repository", link[1], location=page)
        place = target.relative_to(Path(app.srcdir).parent).as_posix()
        return f"]({HOME}/{'tree' if target.is_dir() else 'blob'}/main/{place}{link[2] or ''})"

    source[0] = LINK.sub(lead, source[0])
