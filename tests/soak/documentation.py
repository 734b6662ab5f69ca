"""docs/soak.md, from the report of a soak."""

from tests.soak.faults.registry import FAULTS
from tests.soak.report import SoakReport, words
from tests.support.places import REPOSITORY

__all__ = ["documentation", "write_documentation"]

PAGE = REPOSITORY / "docs" / "soak.md"
HEADER = """# Soak

Written by `make soak ARGS=--write`; never by hand. How it is made, and how to repeat a fault, is in
[CONTRIBUTING](../CONTRIBUTING.md#soak).
"""


def write_documentation(report: SoakReport) -> None:
    """Write the page."""
    PAGE.write_text(documentation(report))


def documentation(report: SoakReport) -> str:
    """Return the page of a report."""
    document = report.to_dict()
    lines = [HEADER, f"{document['date']}, {document['cores']} cores, `{report.command}`:\n"]
    lines += ["| kind | what happens | injected |", "|---|---|---|"]
    lines += [
        f"| {kind} | {fault.about} | {report.kinds.get(kind, 0) or report.skipped.get(kind, 0)} |"
        for kind, fault in FAULTS.items()
    ]
    return "\n".join([*lines, "\n```", words(report), "```", ""])
