"""The README of the package index, made when a wheel is built: its links lead to the code host."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

PICTURE = re.compile(r"(!\[[^]]*\]\()(?!https?:|#)([^)]+\))")
LINK = re.compile(r"((?<!!)\[[^]]*\]\()(?!https?:|#)([^)]+\))")


class Readme(MetadataHookInterface):
    """Hatchling calls `update` with the fields of the project."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the readme."""
        repository = metadata["urls"]["Repository"]
        raw = repository.replace("github.com", "raw.githubusercontent.com")
        text = (Path(self.root) / "README.md").read_text("utf-8")
        text = PICTURE.sub(rf"\g<1>{raw}/main/\g<2>", text)
        text = LINK.sub(rf"\g<1>{repository}/blob/main/\g<2>", text)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
