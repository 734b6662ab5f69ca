"""The directive `command-line`: a section for each command, with the help that its parser prints."""

from docutils import nodes
from docutils.parsers.rst import Directive
from printed_help import helps
from sphinx.application import Sphinx

__all__ = ["CommandLine", "setup"]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True}


class CommandLine(Directive):
    """All commands, in the order of `spikeloop --help`."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        return [_section(name, texts) for name, texts in helps()]


def _section(name: str, texts: list[str]) -> nodes.section:
    section = nodes.section(ids=[f"spikeloop-{name}"], names=[f"spikeloop {name}"])
    section += nodes.title("", f"spikeloop {name}")
    section += [nodes.literal_block(text, text, language="text") for text in texts]
    return section
