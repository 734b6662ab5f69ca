"""What a page of HTML holds, read by the standard library."""

from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "br", "input"}


class Outline(HTMLParser):
    """What a page has of tags and texts; it checks that every tag is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.links: list[str] = []
        self.anchors: list[str] = []
        self.panels: list[str] = []  # titles of pictures
        self.scripts: list[str] = []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.anchors += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        within = self.open[-1] if self.open else ""
        if within == "script":
            self.scripts.append(data)
        elif within not in ("", "style"):
            self.texts.append(data)
        if self.open[-2:] == ["figcaption", "strong"]:
            self.panels.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def outline(path: Path) -> Outline:
    return Outline(path.read_text("utf-8"))
