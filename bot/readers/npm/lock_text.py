"""What every lockfile reader begins with: bytes within bounds, values as text, and what a specifier says of its source.

The last is coarser than `bot.readers.npm.spec`: it is asked for each of tens of thousands of entries.
"""

from __future__ import annotations

import re

from bot.errors import ReadError
from bot.facts.lock import Source

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "alias_of",
    "as_text",
    "commented_json",
    "directory_of",
    "lock_text",
    "mapping",
    "source_of_spec",
    "strings",
    "yaml_documents",
]

MAX_BYTES = 100 * 1024 * 1024
MAX_DEPTH = 200

_GIT = ("git+", "git:", "git@", "github:", "gitlab:", "bitbucket:", "gist:", "ssh:")
_PATH = ("file:", "link:", "portal:", "./", "../", "/", "~/")
# `owner/repository`, with `#commit`: what hosted-git-info takes for a shorthand of GitHub.
_SHORTHAND = re.compile(r"[\w.-]+/[\w.-]+(?:#.*)?", re.ASCII)

# A flow collection on one line with none in it, as lockfiles write them: `{integrity: sha512-x}`, `[x64, arm64]`.
_FLAT = re.compile(r"""[\[{](?:[^\[\]{}\n#'"]|'[^'\[\]{}\n]*'|"[^"\[\]{}\n]*")*+[\]}]""")
_MAX_BRACKETS = 5000


def lock_text(data: bytes) -> str:
    """The file's text, without a byte order mark. Raises `ReadError` (``too-large``, ``not-utf8``)."""
    if len(data) > MAX_BYTES:
        raise ReadError("too-large", f"the lockfile has {len(data)} bytes; {MAX_BYTES} is the limit")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ReadError("not-utf8", f"the lockfile is not UTF-8 (byte {error.start})", line=line) from None


def directory_of(path: str) -> str:
    """The repository directory that holds a file."""
    return path.rpartition("/")[0]


def as_text(value: object) -> str | None:
    """A scalar as text: YAML may have made a number of ``5.4``. None for what is no scalar, and for null."""
    if type(value) is str:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return None


def mapping(value: object) -> dict[str, object]:
    """A mapping with its keys as text; empty for anything else."""
    if type(value) is not dict:
        return {}
    for key in value:
        if type(key) is not str:
            return {text: item for key, item in value.items() if (text := as_text(key)) is not None}
    return value


def strings(value: object) -> dict[str, str]:
    """A mapping of names to specs or versions; what is no scalar is left out."""
    if type(value) is not dict or not value:
        return {}
    for name, item in value.items():
        if type(item) is not str or type(name) is not str:
            break
    else:
        return value  # the usual case costs no copy
    return {name: text for name, item in mapping(value).items() if (text := as_text(item)) is not None}


def commented_json(text: str, what: str) -> dict[str, object]:
    """An object in JSON with comments and trailing commas. Raises `ReadError` (``malformed``, ``too-deep``)."""
    import pyjson5

    try:
        value = pyjson5.decode(text, maxdepth=MAX_DEPTH)
    except (pyjson5.Json5NestingTooDeep, RecursionError):
        raise ReadError("too-deep", f"{what} nests deeper than {MAX_DEPTH} levels") from None
    except (pyjson5.Json5DecoderException, ValueError, OverflowError) as error:
        message = str(error.args[0]) if error.args else "not JSON"
        raise ReadError("malformed", f"no {what}: {message[:200]}") from None
    if type(value) is not dict:
        raise ReadError("malformed", f"no {what}: it is no object", line=1)
    return mapping(value)


def bounded_brackets(text: str) -> None:
    """Refuse YAML (`ReadError` ``too-deep``) on which the parser would spend minutes before it minds the depth."""
    # Its time grows with the square of the depth of flow collections.
    if text.count("[") + text.count("{") - len(_FLAT.findall(text)) > _MAX_BRACKETS:
        raise ReadError("too-deep", f"more than {_MAX_BRACKETS} nested or unclosed brackets")


def yaml_documents(text: str) -> list[object]:
    """The documents of a YAML file. Raises `ReadError` (``malformed``, with its line; ``too-deep``)."""
    from ryaml import InvalidYamlError, loads_all  # type: ignore[attr-defined]

    bounded_brackets(text)
    try:
        return list(loads_all(text) or ())
    except InvalidYamlError as error:
        message = str(error)
        if "recursion limit" in message:
            raise ReadError("too-deep", f"the lockfile nests deeper than {MAX_DEPTH} levels") from None
        found = re.search(r"at line (\d+)", message)
        what = "a merge conflict" if re.search(r"^<{7} ", text, re.MULTILINE) else message[:200]
        raise ReadError("malformed", f"no YAML: {what}", line=int(found[1]) if found else None) from None
    except RecursionError:
        raise ReadError("too-deep", f"the lockfile nests deeper than {MAX_DEPTH} levels") from None
    except (ValueError, TypeError, OverflowError) as error:
        raise ReadError("malformed", f"no YAML: {str(error)[:200]}") from None


def source_of_spec(spec: str) -> Source:
    """``^1.0.0``, ``npm:a@1``, a tag -> `Source.REGISTRY`; ``file:x`` -> `Source.PATH`, and so on."""
    if spec.startswith(_PATH):
        return Source.PATH
    if spec.startswith(_GIT):
        return Source.GIT
    if spec.startswith(("https://", "http://")):
        return Source.GIT if re.search(r"\.git(?:#|$)", spec) else Source.URL
    if spec.startswith("workspace:"):
        return Source.WORKSPACE
    if spec.startswith("patch:"):
        return Source.PATCH
    if spec.endswith((".tgz", ".tar.gz")):
        return Source.PATH
    return Source.GIT if _SHORTHAND.fullmatch(spec) else Source.REGISTRY


def alias_of(spec: str) -> str | None:
    """The package that ``npm:name@range`` really means; None when the spec is no alias.

    ``npm:^1.0.0`` and ``npm:latest`` are none: they ask for the package itself.
    """
    if not spec.startswith("npm:"):
        return None
    at = spec.rfind("@")
    if at > 4:
        return spec[4:at]
    return spec[4:] if at == 4 and "/" in spec else None
