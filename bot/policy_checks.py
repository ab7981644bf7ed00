"""What a leaf of a policy file may say: one check a kind, each with its words and its remedy.

The kinds are those that the types in `bot.policy` name. A check gives None, or what is wrong and what to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from bot.names import PackageName, RepoName, is_npm_name
from bot.patterns import placeholders
from bot.text import printable

__all__ = ["CHECKS", "Flaw", "Show", "package_pattern", "quoted", "same_package", "same_path", "same_repository"]

# What is wrong, and one sentence that says what to do.
Flaw = tuple[str, str]
# How a message shows a value of the file; of the overlay nothing is shown.
Show = Callable[[str], str]

_PLACEHOLDER = re.compile(r"\{[a-z]\w*\}", re.ASCII)
_WILDCARDS_MAX = 8
_LENGTH_MAX = 500


def quoted(value: str) -> str:
    """A value of a policy file as messages show it: one line, quoted, not too long."""
    return '"' + printable(value if len(value) <= 80 else value[:77] + "...") + '"'


# -- patterns ------------------------------------------------------------------------------------


def _pattern(value: str, show: Show) -> Flaw | None:
    """What holds for every pattern: placeholders, wildcards, length."""
    if not value:
        return "an empty text", "Write a pattern, or leave the key out."
    if len(value) > _LENGTH_MAX:
        return f"a pattern of {len(value)} characters", f"The limit is {_LENGTH_MAX}: write several."
    if not value.isprintable() or value != value.strip():
        return f"{show(value)} holds spaces at an end or control characters", "Take them out."
    if value.startswith("!"):
        return f"{show(value)} begins with `!`, and patterns cannot be negated", "List what you mean instead."
    rest = _PLACEHOLDER.sub("", value)
    if "{" in rest or "}" in rest:
        if re.search(r"\{[^{}]*,[^{}]*\}", rest):
            return f"{show(value)} lists alternatives in braces", "Write one pattern for each."
        if rest.count("{") != rest.count("}"):
            return f"{show(value)} has an unbalanced brace", "Write a placeholder as `{x}`."
        return (
            f"{show(value)} has a brace that is no placeholder",
            "Placeholders are written `{x}`: a small letter first.",
        )
    if "***" in value:
        return f"{show(value)} has three stars in a row", "`*` stays within one segment, `**` crosses them."
    if len(re.findall(r"\*+", value)) > _WILDCARDS_MAX:
        return f"{show(value)} has more than {_WILDCARDS_MAX} wildcards", "Write a simpler pattern, or several."
    names = placeholders(value)
    if len(set(names)) < len(names) and (len(set(names)) > 1 or "*" in value):
        return f"{show(value)} repeats a placeholder beside another wildcard", "Write a simpler pattern, or several."
    return None


def _matches_all(pattern: str) -> bool:
    """Whether nothing is left of it but wildcards, placeholders and separators."""
    return not re.sub(r"[*?@/]", "", _PLACEHOLDER.sub("", pattern))


def package_pattern(value: str, show: Show) -> Flaw | None:
    """A package pattern that means something."""
    flaw = _pattern(value, show) or _package_name(value, show)
    if flaw is None and _matches_all(PackageName.parse(value).name):
        return f"{show(value)} matches every package", "Name a scope or a prefix, such as `@acme/*` or `npm:acme-*`."
    return flaw


def _package_name(value: str, show: Show) -> Flaw | None:
    if value.startswith("pkg:"):
        return f"{show(value)} is a whole package URL", "Leave the scheme out: `npm:@acme/*`, `pypi:acme-*`."
    head, colon, _ = value.partition(":")
    if colon and head not in ("npm", "pypi"):
        return f"{show(value)} names the ecosystem {show(head)}", "Ringfence knows `npm:` and `pypi:`."
    package = PackageName.parse(value)
    sample = _PLACEHOLDER.sub("a", package.name).replace("*", "a").replace("?", "a")
    if package.ecosystem == "pypi":
        if re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", sample) is None:
            return f"{show(value)} is no name that a Python package can have", "Write it as `pypi:acme-*`."
        return None
    if sample.startswith("@") and not sample.partition("/")[2]:
        return f"{show(value)} is a scope, not a package", "Write the scope's packages as `@scope/*`."
    if not is_npm_name(sample):
        return f"{show(value)} is no name that an npm package can have", "Write it as `@scope/name` or `name`."
    return None


def _repository(value: str, show: Show) -> Flaw | None:
    flaw = _pattern(value, show)
    if flaw is not None:
        return flaw
    if "://" in value or value.startswith(("git@", "github:", "git+")) or value.endswith(".git"):
        meant = RepoName.parse(value)
        wanted = f"`{printable(str(meant))}`" if meant and show(value) == quoted(value) else "`owner/name`"
        return f"{show(value)} is an address, not a name", f"Write {wanted}."
    parts = value.split("/")
    if len(parts) not in (2, 3) or any(re.fullmatch(r"[\w.{}*?-]+", part) is None for part in parts):
        return f"{show(value)} is no repository", "Write `owner/name`, on another host `host/owner/name`."
    if any(part in (".", "..") for part in parts):
        return f"{show(value)} is no repository", "Write `owner/name`, on another host `host/owner/name`."
    if len(parts) == 3 and "." not in parts[0]:
        return f"{show(value)} begins with no host", "Write `owner/name`, on another host `host/owner/name`."
    if len(parts) == 2 and "." in parts[0]:
        return f"{show(value)} names a host where the owner stands", "Write `host/owner/name`."
    if _matches_all(value):
        return f"{show(value)} matches every repository", "Name an owner, such as `acme/*`."
    return None


def _path(value: str, show: Show) -> Flaw | None:
    flaw = _pattern(value, show)
    if flaw is not None:
        return flaw
    if "\\" in value:
        return f"{show(value)} holds a backslash", "Write paths with `/`."
    if value.startswith(("/", "~")) or re.match(r"[A-Za-z]:", value):
        return f"{show(value)} is an absolute path", "Write it relative to the repository's root."
    parts = value.split("/")
    if ".." in parts:
        return f"{show(value)} leads out with `..`", "Write it relative to the repository's root."
    if "." in parts:
        return f"{show(value)} holds `.`", "Leave it out: paths begin at the repository's root."
    if "" in parts[:-1]:
        return f"{show(value)} holds an empty segment", "Write one `/` between segments."
    return None


def _path_pattern(value: str, show: Show) -> Flaw | None:
    flaw = _path(value, show)
    if flaw is None and value.endswith("/"):
        return f"{show(value)} names a folder, and paths are those of files", "Write what lies in it as `folder/**`."
    return flaw


def _member(value: str, show: Show) -> Flaw | None:
    flaw = _path(value, show)
    if flaw is None and value.endswith("/"):
        return f"{show(value)} ends with `/`", "Leave it out: a member is a directory."
    return flaw


def _naming(value: str, show: Show) -> Flaw | None:
    flaw = _pattern(value, show)
    if flaw is None and "{x}" not in value:
        return f"{show(value)} has no `{{x}}`", "Write `{x}` where the common part of the name stands: `open-{x}`."
    return flaw


# -- the rest ------------------------------------------------------------------------------------


def _url(value: str, show: Show) -> Flaw | None:
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return f"{show(value)} is no address", "Write it as `https://host/path`."
    if parts.username is not None or parts.password is not None:
        return "the address holds a user name or a password", "Name the variable that holds the token in `token_env`."
    if not value.isprintable() or " " in value or not host:
        return f"{show(value)} is no address", "Write it as `https://host/path`."
    if parts.scheme == "http" and host not in ("localhost", "127.0.0.1", "::1"):
        return f"{show(value)} is read without encryption", "Write `https://`; `http://` is for this machine alone."
    if parts.scheme not in ("https", "http"):
        return f"{show(value)} is no https address", "Write it as `https://host/path`."
    return None


def _variable(value: str, show: Show) -> Flaw | None:
    # The value may be a token that someone pasted: it is never shown.
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value) is None:
        return "this is no name of a variable", "Write the name of the variable that holds the token, never the token."
    return None


def _variables(value: str, show: Show) -> Flaw | None:
    if re.fullmatch(r"[A-Za-z_*][A-Za-z0-9_*]*", value) is None:
        return f"{show(value)} is no name of a variable", "Write it as `ORDERS_DATABASE_URL` or `ORDERS_*`."
    return _pattern(value, show)


def _word(value: str, show: Show) -> Flaw | None:
    if value != value.strip() or not value.isprintable():
        return f"{show(value)} holds spaces at an end or control characters", "Take them out."
    if len(value) < 3:
        return f"{show(value)} is too short to be told from other words", "Write at least three characters."
    return None


def _approver(value: str, show: Show) -> Flaw | None:
    if re.fullmatch(r"@[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9._-]+)?", value) is None:
        return f"{show(value)} is neither a user nor a team", "Write `@name` or `@organisation/team`."
    return None


def _reason(value: str, show: Show) -> Flaw | None:
    if re.fullmatch(r"[a-z][a-z0-9-]*(?::.+)?", value) is None or not value.isprintable():
        return (
            f"{show(value)} is no reason that a report gives",
            "Write `reason` or `reason:detail`, such as `no-overlay`.",
        )
    return None


def _age(value: str, show: Show) -> Flaw | None:
    if re.fullmatch(r"[0-9]{1,5} (?:hours?|days?|weeks?)", value) is None:
        return f"{show(value)} is no span of time", "Write a number and a unit: `36 hours`, `3 days`, `2 weeks`."
    return None


CHECKS: Mapping[str, Callable[[str, Show], Flaw | None]] = {
    "package": package_pattern,
    "repository": _repository,
    "member": _member,
    "path": _path_pattern,
    "naming": _naming,
    "pattern": _pattern,
    "word": _word,
    "url": _url,
    "variable": _variable,
    "variables": _variables,
    "approver": _approver,
    "reason": _reason,
    "age": _age,
}


# -- when two patterns are the same ---------------------------------------------------------------


def same_package(pattern: str) -> str:
    """What equal package patterns share, however they are written."""
    package = PackageName.parse(pattern)
    return f"{package.ecosystem}:{package.name}"


def same_repository(pattern: str) -> str:
    """What equal repository patterns share: forges ignore case, and github.com goes without saying."""
    return pattern.lower().removeprefix("github.com/")


def same_path(pattern: str) -> str:
    """Paths are compared as they are."""
    return pattern
