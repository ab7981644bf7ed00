"""What a dependency's specifier asks for, as npm reads it, and the protocols that only pnpm, yarn and bun know.

Source of the reading: npm's ``npm-package-arg`` (`resolve`), ``hosted-git-info`` and ``semver`` in loose mode; tests hold
this module to them. Where npm refuses what another package manager takes, the other one's meaning counts:

- ``git@host.example:org/repo`` and ``ssh://`` are git (npm knows them for the hosts it lists only);
- a backslash is a path separator everywhere (npm: on Windows only);
- ``npm:^1.2.3`` without a name is the same package (yarn berry);
- ``workspace:``, ``catalog:``, ``link:``, ``portal:``, ``patch:`` and ``jsr:`` are pnpm's, yarn's and bun's.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote, unquote_to_bytes

import msgspec

from bot.facts.manifest import Kind

__all__ = ["Spec", "classify", "exact_version", "is_package_name", "is_range", "split_name"]


class Spec(msgspec.Struct, frozen=True):
    """A specifier understood. ``name`` is the package where the specifier itself names one (an alias, a patch), else
    None. ``version`` is the one exact version, normalised (``v1.2.3+b`` is ``1.2.3``). ``effective`` is the specifier that
    counts: the text itself, what a ``patch:`` is put on, ``*`` for the empty one."""

    kind: Kind
    name: str | None
    version: str | None
    effective: str


# -- versions and ranges -----------------------------------------------------------------------

# JavaScript's white space: str.strip() alone would take control characters that npm keeps.
_SPACE = " \t\n\v\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_SPACES = re.compile(f"[{_SPACE}]+")
_MAX_SAFE_INTEGER = 2**53 - 1
_MAX_LENGTH = 256
_MAX_RANGE = 8192

_NUMBER = "[0-9]+"
_IDENTIFIER = "(?:[0-9]*[A-Za-z-][0-9A-Za-z-]*|[0-9]+)"
_PRERELEASE = rf"(?:-?({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?"
_BUILD = r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)"
_PREFIX = f"[v={_SPACE}]*"
_LOOSE = rf"{_PREFIX}({_NUMBER})\.({_NUMBER})\.({_NUMBER}){_PRERELEASE}{_BUILD}?"
_PART = "([0-9]+|[xX*])"
_PARTIAL = rf"{_PREFIX}{_PART}(?:\.{_PART}(?:\.{_PART}{_PRERELEASE}{_BUILD}?)?)?"
_COMPARATOR = re.compile(rf"[<>]?=?{_LOOSE}")
_X_RANGE = re.compile(rf"[<>]?=?{_PARTIAL}")
_TILDE_OR_CARET = re.compile(rf"(?:~>?|\^){_PARTIAL}")
_HYPHEN = re.compile(rf"{_PARTIAL} - {_PARTIAL}")
_VERSION = re.compile(_LOOSE)
_BUILDS = re.compile(_BUILD)
# "> 1.2.3" is one comparator, and so are "~ 1.2" and "^ 1.2".
_OPERATOR_SPACE = re.compile(r"([<>]=?|=) (?=[v=]*[0-9xX*])")
_TILDE_SPACE = re.compile(r"(~>?|\^) ")
_STAR = re.compile(r"[<>]?=? ?\*")


def exact_version(text: str) -> str | None:
    """The version that ``semver.valid(text, loose)`` gives: ``=1.2.3``, ``v1.2.3``, ``1.2.3beta`` are versions. None if none."""
    if len(text) > _MAX_LENGTH:
        return None
    found = _VERSION.fullmatch(text.strip(_SPACE))
    if found is None:
        return None
    numbers = [int(found[index]) for index in (1, 2, 3)]
    if max(numbers) > _MAX_SAFE_INTEGER:
        return None
    version = ".".join(map(str, numbers))
    if not found[4]:
        return version
    # Numeric identifiers are numbers: leading zeros go.
    identifiers = (
        str(int(part)) if part.isdecimal() and int(part) <= _MAX_SAFE_INTEGER else part for part in found[4].split(".")
    )
    return f"{version}-{'.'.join(identifiers)}"


def is_range(text: str) -> bool:
    """Whether ``semver.validRange(text, loose)`` takes it. The loose reading drops what is no comparator as long as one is left."""
    if len(text) > _MAX_RANGE:
        return False
    readable = False
    for part in _SPACES.sub(" ", text.strip(_SPACE)).split("||"):
        valid = _comparators(_BUILDS.sub("", part.strip(" ")))
        if valid is None:
            return False
        readable = readable or valid
    return readable


def _comparators(part: str) -> bool | None:
    """Whether any comparator of a part is valid; None where a number is too large, which spoils the whole range."""
    if found := _HYPHEN.fullmatch(part):
        return None if _too_large(found) else True
    part = _TILDE_SPACE.sub(r"\1", _OPERATOR_SPACE.sub(r"\1", part))
    valid = False
    tokens = part.split(" ")
    for index, token in enumerate(tokens):
        found = _TILDE_OR_CARET.fullmatch(token)
        if found is None:
            found = _X_RANGE.fullmatch(token)
            if found is not None and _out_of_order(found[1], found[2], found[3]):
                found = None
        if found is None:
            starless = _STAR.sub("", token, count=1)
            found = _COMPARATOR.fullmatch(starless)
            if found is None and starless:
                continue
        # What any version meets becomes nothing, and counts where it is not between two others.
        anything = found is None or (found[1] in "xX*" and token[0] not in "<>")
        if found is not None and not anything and (_too_large(found) or len(token.lstrip("<>=~^")) > _MAX_LENGTH):
            return None
        valid = valid or not anything or index in (0, len(tokens) - 1)
    return valid


def _out_of_order(major: str, minor: str | None, patch: str | None) -> bool:
    # ``x.1`` and ``1.x.5`` say nothing that could be meant.
    def any_of(part: str | None) -> bool:
        return not part or part in "xX*"

    return (any_of(major) and not any_of(minor)) or (any_of(minor) and bool(patch) and not any_of(patch))


def _too_large(found: re.Match[str]) -> bool:
    groups = found.groups()
    for start in range(0, len(groups), 4):
        for part in groups[start : start + 3]:
            if part is None or part in "xX*":
                break  # what follows a wildcard is not looked at
            if len(part.lstrip("0")) > 16 or int(part) > _MAX_SAFE_INTEGER:
                return True
    return False


# -- names -------------------------------------------------------------------------------------

# What encodeURIComponent leaves alone.
_UNRESERVED = r"[A-Za-z0-9\-_.!~*'()]"
_TAG = re.compile(f"{_UNRESERVED}+")
_NAME = re.compile(rf"(?![._-]){_UNRESERVED}+|@{_UNRESERVED}+/(?!\.){_UNRESERVED}+")


def is_package_name(name: str) -> bool:
    """Whether npm takes it as a package's name, old names included (``validForOldPackages``)."""
    return _NAME.fullmatch(name) is not None and name.lower() not in ("node_modules", "favicon.ico")


def split_name(text: str) -> tuple[str, str | None]:
    """``@a/b@^1`` -> (``@a/b``, ``^1``); ``a`` -> (``a``, None)."""
    at = text.find("@", 1)
    return (text, None) if at < 0 else (text[:at], text[at + 1 :])


# -- git hosts ---------------------------------------------------------------------------------

_GIT_AND_WEB = frozenset({"git+ssh", "git+https", "ssh", "https"})
_HOST_PROTOCOLS = {
    "github.com": _GIT_AND_WEB | {"git", "http"},
    "bitbucket.org": _GIT_AND_WEB,
    "gitlab.com": _GIT_AND_WEB,
    "gist.github.com": _GIT_AND_WEB | {"git"},
    "git.sr.ht": frozenset({"git+ssh", "https"}),
}
_SHORTCUTS = frozenset({"github", "bitbucket", "gitlab", "gist", "sourcehut"})
_PROTOCOLS = frozenset({"git+ssh", "ssh", "git+https", "git", "http", "https", "git+http"}) | _SHORTCUTS
_SPECIAL = frozenset({"http", "https", "ftp", "ws", "wss"})
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_AUTHORITY = re.compile(r"[^/?#]*")
_PORT = re.compile(r":[0-9]*$")
_FORBIDDEN_HOST = re.compile(r"[\x00-\x20#/:<>?@\[\\\]^|\x7f]")
_FORBIDDEN_DOMAIN = re.compile(r"[\x00-\x20\"%#/:<>?@\[\\\]^`{|}\x7f]")


class _Url(msgspec.Struct, frozen=True):
    scheme: str
    host: str
    path: str
    fragment: str


def _parse_url(text: str) -> _Url | None:
    """The parts of a URL that matter here, as WHATWG's parser cuts them; None where it refuses."""
    text = re.sub("[\t\n\r]", "", text.strip("".join(map(chr, range(0x21)))))
    found = _SCHEME.match(text)
    if found is None:
        return None
    scheme = found[1].lower()
    rest, _, fragment = text[found.end() :].partition("#")
    rest = rest.partition("?")[0]
    special = scheme in _SPECIAL
    if special:
        rest = "//" + rest.replace("\\", "/").lstrip("/")
    if not rest.startswith("//"):
        return _Url(scheme, "", rest, fragment)
    authority = _AUTHORITY.match(rest, 2)
    path = rest[authority.end() :] if authority else ""
    _credentials, at, host = (authority[0] if authority else "").rpartition("@")
    port = _PORT.search(host)
    if port is not None:
        if len(port[0]) > 6 or int(port[0][1:] or 0) > 65535:
            return None
        host = host[: port.start()]
    if not host and (special or at or port):
        return None
    if special:
        host = unquote(host).lower()
    if (_FORBIDDEN_DOMAIN if special else _FORBIDDEN_HOST).search(host) and not host.startswith("["):
        return None
    return _Url(scheme, host, _without_dots(path), fragment)


def _without_dots(path: str) -> str:
    parts: list[str] = []
    segments = path.split("/")
    for index, segment in enumerate(segments):
        plain = segment.lower().replace("%2e", ".")
        if plain in (".", ".."):
            if plain == ".." and len(parts) > 1:
                parts.pop()
            if index == len(segments) - 1:
                parts.append("")
        else:
            parts.append(segment)
    return "/".join(parts)


def _hosted(spec: str) -> bool:
    """Whether a git host that npm knows serves it (``hosted-git-info``)."""
    if _is_github_shorthand(spec):
        spec = f"github:{spec}"
    corrected = _with_protocol(spec)
    url = _parse_url(corrected) or _parse_url(_scp_as_url(corrected))
    if url is None:
        return False
    if url.scheme in _SHORTCUTS:
        path = url.path.removeprefix("/")
        user, _, project = path[path.find("@") + 1 :].rpartition("/")
        return all(map(_is_decodable, (user, project, url.fragment)))
    host = url.host.removeprefix("www.")
    if url.scheme not in _HOST_PROTOCOLS.get(host, ()):
        return False
    return _names_repository(host, url)


def _is_github_shorthand(spec: str) -> bool:
    before, hash_, _ = spec.partition("#")
    return (
        spec.find("/") > 0
        and before.count("/") <= 1
        and not (_SPACES.search(before) or "@" in before or ":" in before)
        and not (before if hash_ else spec).endswith("/")
        and not spec.startswith(".")
    )


def _with_protocol(spec: str) -> str:
    head, colon, tail = spec.partition(":")
    if (colon and head in _PROTOCOLS) or tail.startswith("//"):
        return spec
    at = spec.find("@")
    if at >= 0:
        return f"git+ssh://{spec}" if at > (len(head) if colon else -1) else spec
    return f"{head}://{tail}" if colon else f"//{spec}"


def _scp_as_url(spec: str) -> str:
    before, hash_, after = spec.partition("#")
    colon = before.rfind(":")
    if colon > before.rfind("@"):
        before = f"{before[:colon]}/{before[colon + 1 :]}"
    spec = before + hash_ + after
    return f"git+ssh://{spec}" if ":" not in before and "//" not in spec else spec


def _names_repository(host: str, url: _Url) -> bool:
    parts = url.path.split("/")[1:]
    first = parts[0] if parts else ""
    second = parts[1] if len(parts) > 1 else ""
    third = parts[2] if len(parts) > 2 else ""
    committish = url.fragment
    if host == "gitlab.com":
        path = "/".join(parts)
        if "/-/" in path or "/archive.tar.gz" in path:
            return False
        first, _, second = path.rpartition("/")
    elif host == "github.com":
        if third and third != "tree":
            return False
        if third:
            committish = parts[3] if len(parts) > 3 else ""
    elif third == {"bitbucket.org": "get", "git.sr.ht": "archive", "gist.github.com": "raw"}[host]:
        return False
    if host == "gist.github.com":
        return bool(first or second) and all(map(_is_decodable, (first, second, committish)))
    second = second.removesuffix(".git")
    return bool(first and second) and all(map(_is_decodable, (first, second, committish)))


def _is_decodable(text: str) -> bool:
    """Whether decodeURIComponent takes it."""
    if "%" not in text:
        return True
    if re.search("%(?![0-9A-Fa-f]{2})", text):
        return False
    try:
        unquote_to_bytes(text).decode("utf-8")
    except UnicodeError:
        return False
    return True


# -- specifiers --------------------------------------------------------------------------------

_FILE = re.compile(r"file:|[./\\]|~[/\\]|[A-Za-z]:", re.IGNORECASE)
_ARCHIVE = re.compile(r"\.(?:tgz|tar\.gz|tar)$", re.IGNORECASE)
_URL = re.compile(r"((?:git\+)?[a-z]+):", re.IGNORECASE)
_SCP = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+:.+", re.DOTALL | re.ASCII)
_BERRY_RANGE = re.compile(r"(?:v?[0-9]|[<>=^~*])[0-9A-Za-z.<>=^~*|+ -]*")
_GIT_SCHEMES = frozenset({"git", "git+http", "git+https", "git+rsync", "git+ftp", "git+file", "git+ssh", "ssh"})
_PATCHES_DEEP = 8


def classify(spec: str, local: str = "") -> Spec:
    """What a specifier asks for. ``local`` is the name that it is declared under, which only ``jsr:^1`` needs.

    Never fails: what no package manager takes is `Kind.UNKNOWN`.
    """
    return _classified(spec, local if spec.startswith("jsr:") else "")


@lru_cache(maxsize=8192)  # a large repository says the same few hundred over and over
def _classified(spec: str, local: str) -> Spec:
    if spec.startswith("workspace:"):
        name, at, _ = spec[10:].rpartition("@")
        return Spec(Kind.WORKSPACE, name if at and is_package_name(name) else None, None, spec)
    if spec.startswith("catalog:"):
        return Spec(Kind.CATALOG, None, None, spec)
    if spec.startswith(("link:", "portal:")):
        return Spec(Kind.PATH, None, None, spec)
    if spec.startswith("patch:"):
        return _patched(spec)
    if spec.startswith("jsr:"):
        return _jsr(spec, local)
    if _FILE.match(spec):
        return Spec(Kind.PATH, None, None, spec)
    if spec[:4].lower() == "npm:":
        return _alias(spec)
    if _SCP.fullmatch(spec) or _hosted(spec):
        return Spec(Kind.GIT, None, None, spec)
    if found := _URL.match(spec):
        scheme = found[1].lower()
        kind = Kind.GIT if scheme in _GIT_SCHEMES else Kind.URL if scheme in ("http", "https") else Kind.UNKNOWN
        return Spec(kind, None, None, spec)
    if "/" in spec or "\\" in spec or _ARCHIVE.search(spec):
        return Spec(Kind.PATH, None, None, spec)
    return _registry(spec)


def _registry(spec: str, name: str | None = None, effective: str | None = None) -> Spec:
    text = spec.strip(_SPACE)
    effective = effective if effective is not None else spec or "*"
    version = exact_version(text)
    if version is not None:
        return Spec(Kind.EXACT, name, version, effective)
    if is_range(text):
        return Spec(Kind.RANGE, name, None, effective)
    return Spec(Kind.TAG if _TAG.fullmatch(text) else Kind.UNKNOWN, name, None, effective)


def _alias(spec: str) -> Spec:
    inner = spec[4:]
    # Yarn berry's npm:^1.2.3 is the same package; no package is named like a version.
    if _BERRY_RANGE.fullmatch(inner) and (exact_version(inner) or is_range(inner)):
        return _registry(inner, None, spec)
    name, asked = split_name(inner)
    asked = asked or "*"
    if not is_package_name(name) or (_ARCHIVE.search(name) and not name.startswith("@")):
        return Spec(Kind.UNKNOWN, None, None, spec)
    resolved = classify(asked) if asked[:4].lower() != "npm:" else Spec(Kind.UNKNOWN, None, None, asked)
    if resolved.kind not in (Kind.EXACT, Kind.RANGE, Kind.TAG):
        return Spec(Kind.UNKNOWN, name, None, spec)
    return Spec(resolved.kind, name, resolved.version, spec)


def _patched(spec: str) -> Spec:
    """Yarn berry's ``patch:NAME@INNER#FILE``, the inner one percent-encoded where it holds ``:`` or ``#``."""
    inner, name = spec, ""
    for _ in range(_PATCHES_DEEP):
        if not inner.startswith("patch:"):
            break
        name, asked = split_name(unquote(inner[6:].partition("#")[0]))
        inner = asked or "*"
    else:
        return Spec(Kind.UNKNOWN, None, None, spec)
    found = classify(inner)
    return Spec(found.kind, found.name or (name if is_package_name(name) else None), found.version, inner)


def _jsr(spec: str, local: str) -> Spec:
    """JSR's packages are npm packages of its own registry: ``@a/b`` there is ``@jsr/a__b``, never ``@a/b``."""
    inner = spec[4:]
    name, asked = split_name(inner)
    if not inner.startswith("@"):
        name, asked = local, inner
    scope, _, bare = name.removeprefix("@").partition("/")
    if not name.startswith("@") or not bare or not is_package_name(name):
        return Spec(Kind.UNKNOWN, None, None, spec)
    return _registry(asked or "*", f"@jsr/{scope}__{bare}", spec)
