"""The scripts inside single-file components: Vue, Svelte and Astro.

Found as HTML's tokenizer finds them, enough for components: comments are passed over, an attribute may hold ``>``
between quotes, a script's body ends at the first ``</script``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["SUFFIXES", "Component", "Script", "component"]

SUFFIXES = (".vue", ".svelte", ".astro")


class Script(NamedTuple):
    """A body, as offsets in the file, and its language: ``js``, ``jsx``, ``ts`` or ``tsx``."""

    start: int
    end: int
    language: str


class Component(NamedTuple):
    """``sources``: where the values of ``<script src="...">`` stand. ``comments``: spans of HTML comments.

    ``broken`` where a tag or a script has no end, or a script is in a language that is not read.
    """

    scripts: tuple[Script, ...]
    sources: tuple[tuple[int, int], ...]
    comments: tuple[tuple[int, int], ...]
    broken: bool


_NEXT = re.compile(rb"<!--|<script(?=[\s/>])", re.IGNORECASE)
_ATTRIBUTES = re.compile(rb"(?:[^>\"']++|\"[^\"]*+\"|'[^']*+')*+>")
_ATTRIBUTE = re.compile(
    rb"([^\s\"'>/=]+)(?:\s*=\s*(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<bare>[^\s\"'=<>`]+)))?"
)
_CLOSE = re.compile(rb"</script(?=[\s/>])", re.IGNORECASE)
_FENCE = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s++|<!--(?s:.)*?-->)*+---")
_FENCE_CLOSE = re.compile(rb"^[ \t]*---", re.MULTILINE)

_LANGUAGES = {
    "": "js",
    "js": "js",
    "javascript": "js",
    "mjs": "js",
    "jsx": "jsx",
    "ts": "ts",
    "mts": "ts",
    "typescript": "ts",
    "tsx": "tsx",
}
_SCRIPT_TYPES = ("", "module", "text/javascript", "application/javascript", "text/typescript", "ts", "text/babel")


def component(path: str, data: bytes) -> Component:
    """The scripts of one component; Astro's frontmatter counts as one, in TypeScript."""
    scripts: list[Script] = []
    sources: list[tuple[int, int]] = []
    comments: list[tuple[int, int]] = []
    broken = False
    at = 0
    astro = path.endswith(".astro")
    if astro and (fence := _FENCE.match(data)):
        close = _FENCE_CLOSE.search(data, fence.end())
        end = close.start() if close else data.find(b"---", fence.end())
        if end < 0:
            end, broken = len(data), True
        scripts.append(Script(fence.end(), end, "ts"))
        at = end + 3
    while found := _NEXT.search(data, at):
        if found[0] == b"<!--":
            end = data.find(b"-->", found.end())
            if end < 0:
                comments.append((found.start(), len(data)))
                broken = True
                break
            comments.append((found.start(), end + 3))
            at = end + 3
            continue
        tag = _ATTRIBUTES.match(data, found.end())
        if tag is None:
            broken = True
            break
        values = _attributes(data, found.end(), tag.end() - 1)
        at = tag.end()
        if "src" in values:
            sources.append(values["src"])
        if tag[0].endswith(b"/>") and not astro and path.endswith(".vue"):
            continue
        close = _CLOSE.search(data, at)
        end = close.start() if close else len(data)
        broken = broken or close is None
        kind = _text(data, values.get("type"))
        if kind in _SCRIPT_TYPES:
            language = _LANGUAGES.get(_text(data, values.get("lang")))
            if language is None or kind in ("text/typescript", "ts"):
                broken = broken or language is None
                language = "ts"
            scripts.append(Script(at, end, "ts" if astro and language == "js" else language))
        at = end
    return Component(tuple(scripts), tuple(sources), tuple(comments), broken)


def _attributes(data: bytes, start: int, end: int) -> dict[str, tuple[int, int]]:
    values: dict[str, tuple[int, int]] = {}
    for match in _ATTRIBUTE.finditer(data, start, end):
        sort = match.lastgroup
        values.setdefault(match[1].decode("latin-1").lower(), match.span(sort) if sort else (0, 0))
    return values


def _text(data: bytes, span: tuple[int, int] | None) -> str:
    return data[span[0] : span[1]].decode("utf-8", "replace").strip().lower() if span else ""
