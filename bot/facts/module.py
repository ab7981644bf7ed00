"""Facts of source files: what they import."""

from __future__ import annotations

from enum import StrEnum

import msgspec

__all__ = ["Import", "ImportKind", "SourceFile"]


class ImportKind(StrEnum):
    """How a specifier is used.

    ``MOCK`` is ``jest.mock``/``vi.mock`` and their kin; ``RESOLVE`` is ``require.resolve`` and
    ``import.meta.resolve``; ``URL`` is ``new URL(x, import.meta.url)``; ``GLOB`` is ``import.meta.glob``;
    ``REFERENCE`` a triple-slash directive; ``TYPE`` an ``import type``, ``export type`` or ``import("x")`` in a
    type or a JSDoc comment. ``CANDIDATE`` is what the cheap filter saw: not confirmed by a parser.
    """

    IMPORT = "import"
    TYPE = "type"
    EXPORT = "export"
    REQUIRE = "require"
    DYNAMIC = "dynamic"
    MOCK = "mock"
    RESOLVE = "resolve"
    URL = "url"
    GLOB = "glob"
    REFERENCE = "reference"
    CANDIDATE = "candidate"


class Import(msgspec.Struct, frozen=True):
    """One specifier in a source file. ``start``/``end`` are byte offsets of the specifier's text between its
    quotes; ``names`` the imported or re-exported names (``default``, ``*`` for a namespace), empty where
    none are named.
    """

    specifier: str
    kind: ImportKind
    start: int
    end: int
    names: tuple[str, ...] = ()
    types: bool = False


class SourceFile(msgspec.Struct, frozen=True):
    """Candidates (or, once parsed, the imports) of one file. ``broken`` is true where the parser met an
    error and the cheap filter was joined in."""

    path: str
    imports: tuple[Import, ...]
    broken: bool = False
