"""Names, normalised in one place: packages, repositories, paths and patterns.

Nothing else in the program takes a URL, a path or a package name apart.
"""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from bot.patterns import Pattern, compile_pattern, matches_any

__all__ = [
    "PackageName",
    "Pattern",
    "RepoName",
    "compile_pattern",
    "find_word",
    "is_npm_name",
    "join",
    "matches_any",
    "registry_host",
    "split_specifier",
    "web_host",
]


class PackageName(NamedTuple):
    """A package in one ecosystem, as purl names it: ``npm:@acme/core``.

    ``ecosystem`` is a purl type (``npm``, ``pypi``); ``name`` is the ecosystem's own
    normal form, scope included.
    """

    ecosystem: str
    name: str

    @classmethod
    def parse(cls, text: str) -> PackageName:
        """Read ``npm:@acme/x``, ``pypi:acme-x``, or ``@acme/x`` and ``x`` (npm)."""
        head, colon, tail = text.partition(":")
        if colon and head in ("npm", "pypi"):
            return cls(head, normal_pypi(tail) if head == "pypi" else tail)
        return cls("npm", text)

    @classmethod
    def npm(cls, name: str) -> PackageName:
        return cls("npm", name)

    @property
    def scope(self) -> str | None:
        """``@acme`` of ``@acme/core``; None for an unscoped name."""
        return self.name.partition("/")[0] if self.name.startswith("@") else None

    @property
    def bare(self) -> str:
        """The name without its scope."""
        return self.name.rpartition("/")[2]

    def purl(self, version: str | None = None) -> str:
        """The package URL, by the purl specification: the scope's ``@`` is percent-encoded."""
        at = f"@{quote(version, safe='.-_~:')}" if version else ""
        name = "/".join(quote(part, safe=".-_~") for part in self.name.split("/"))
        return f"pkg:{self.ecosystem}/{name}{at}"

    def __str__(self) -> str:
        return self.name if self.ecosystem == "npm" else f"{self.ecosystem}:{self.name}"


def normal_pypi(name: str) -> str:
    """PEP 503's normal form."""
    return re.sub(r"[-_.]+", "-", name).lower()


# npm's own rule (validate-npm-package-name), for names that exist today: legacy capitals are valid.
_NPM_NAME = re.compile(r"(?:@[A-Za-z0-9~_-][A-Za-z0-9._~-]*/)?[A-Za-z0-9~_-][A-Za-z0-9._~-]*")


def is_npm_name(name: str) -> bool:
    """Whether a registry could carry this name (``@acme/__name__`` can, ``<name>`` cannot)."""
    return len(name) <= 214 and _NPM_NAME.fullmatch(name) is not None


def split_specifier(specifier: str) -> tuple[str, str] | None:
    """``@a/b/c/d`` -> (``@a/b``, ``./c/d``); ``x`` -> (``x``, ``.``).

    None for what is no bare specifier of a package: relative and absolute paths, URLs and
    ``node:`` builtins, ``#imports``. This is PACKAGE_RESOLVE of Node's ESM resolution
    algorithm, steps 2 to 9.
    """
    if not specifier or specifier[0] in "./#\\" or ":" in specifier.partition("/")[0]:
        return None
    if specifier[0] == "@":
        first = specifier.find("/")
        if first < 0:
            return None
        second = specifier.find("/", first + 1)
        name = specifier if second < 0 else specifier[:second]
        if name.endswith("/"):
            return None
    else:
        first = specifier.find("/")
        name = specifier if first < 0 else specifier[:first]
    # An "@" inside is a version (`@acme/core@1.2.3`): text about a package, no specifier of one.
    if "\\" in name or "%" in name or "@" in name[1:]:
        return None
    return name, "." + specifier[len(name) :]


class RepoName(NamedTuple):
    """A repository on a forge. ``host`` is always there: Enterprise Server is one more host."""

    host: str
    owner: str
    name: str

    @classmethod
    def parse(cls, text: str) -> RepoName | None:
        """Read ``owner/name``, ``host/owner/name``, and every URL form git and npm use.

        None when it names no repository on a forge (a local path, a gist).
        """
        text = text.strip()
        for short, host in (("github:", "github.com"), ("gitlab:", "gitlab.com"), ("bitbucket:", "bitbucket.org")):
            if text.startswith(short):
                text = f"{host}/{text[len(short) :]}"
        text = text.removeprefix("git+").partition("#")[0]
        scp = re.fullmatch(r"(?:[\w.-]+@)?([\w.-]+\.[\w-]+|[\w-]+):(?!//)(.+)", text)
        if scp and ("@" in text or "." in scp[1]):
            text = f"ssh://{scp[1]}/{scp[2]}"
        if "://" in text:
            try:
                url = urlsplit(text)
                host = url.hostname or ""
            except ValueError:
                return None
            path = url.path
        else:
            parts = text.split("/")
            if len(parts) == 2 and ":" not in parts[0]:
                host, path = "github.com", text
            elif len(parts) >= 3 and "." in parts[0]:
                host, path = parts[0], "/".join(parts[1:])
            else:
                return None
        parts = [part for part in path.split("/") if part]
        if not host or len(parts) < 2 or any(p in (".", "..") for p in parts[:2]):
            return None
        name = parts[1].removesuffix(".git")
        host = host.lower().removeprefix("www.").removeprefix("ssh.")
        if host == "codeload.github.com":  # where the forge's own archives are fetched from
            host = "github.com"
        return cls(host, parts[0], name) if name else None

    def key(self) -> tuple[str, str, str]:
        """For comparison: forges ignore case in owner and name."""
        return (self.host, self.owner.lower(), self.name.lower())

    def __str__(self) -> str:
        short = f"{self.owner}/{self.name}"
        return short if self.host == "github.com" else f"{self.host}/{short}"


def join(directory: str, relative: str) -> str | None:
    """A repository path, POSIX, from a directory (``""`` is the root); None when it leaves the root."""
    parts: list[str] = []
    for part in (directory + "/" + relative).split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    if relative.startswith("/"):  # from the root, whatever the directory
        return posixpath.normpath(relative).lstrip("/")
    return "/".join(parts)


def find_word(text: str, names: tuple[str, ...]) -> str | None:
    """The first of these names that stands in a text as a word of its own, as the text spells it; None when none does.

    ``platform-todos`` is a word of ``cd ../platform-todos && make``, and of neither ``platform-todos-like`` nor
    ``my-platform-todos``.
    """
    pattern = _words(names)
    found = pattern.search(text) if pattern is not None else None
    return found[0] if found else None


@lru_cache(maxsize=64)
def _words(names: tuple[str, ...]) -> re.Pattern[str] | None:
    if not names:
        return None
    return re.compile(r"(?<![\w-])(?:" + "|".join(map(re.escape, names)) + r")(?![\w-])", re.IGNORECASE)


def registry_host(url: str) -> str:
    """Host, with its port if it has one, of a URL from a lockfile; empty when it has none."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port
    except ValueError:
        return ""
    return f"{host}:{port}" if port else host


def web_host(url: str) -> tuple[str, str]:
    """Scheme and host (without its port, in lower case) of a web address; both empty for what is none."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "", ""
    return (parts.scheme, host) if parts.scheme in ("http", "https") and host else ("", "")
