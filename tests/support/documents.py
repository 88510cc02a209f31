"""Readers of HTML pages and Markdown that share nothing with what writes them."""

from __future__ import annotations

from html.parser import HTMLParser
from itertools import pairwise

from markdown_it import MarkdownIt


class Page(HTMLParser):
    """Tables, anchors, links and what a page would load; complains of tags that are not closed in order."""

    VOID = frozenset({"meta", "path", "line", "rect", "ellipse", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            if name == "href":
                self.links.append(str(value))
            if name in ("src", "srcset", "data", "xlink:href") or name.startswith("on"):
                self.loads.append(str(value))
        if tag in self.VOID:
            return
        self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        assert not {"script", "iframe", "link", "img"} & set(self._open)
        if self._open and self._open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data


def markdown_tables(text: str) -> list[list[list[str]]]:
    tables: list[list[list[str]]] = []
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    for before, token in pairwise(tokens):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append([])
        elif token.type == "inline" and before.type in ("td_open", "th_open"):
            tables[-1][-1].append("".join(child.content for child in token.children or []))
    return tables
