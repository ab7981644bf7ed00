"""Tokens, from the environment alone. Nothing here has a text that shows one."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from bot.errors import RingfenceError
from bot.github.hosts import DOTCOM, home_host, host_variable

__all__ = ["AppKey", "Secret", "Token", "find_credential", "how_to_give_a_token"]


class Secret:
    """A secret. It has no usable text: formatting it raises; `reveal` gives it to the code that sends it."""

    __slots__ = ("_value", "source")

    def __init__(self, value: str, source: str) -> None:
        self._value = value
        self.source = source  # where it came from: a variable's name

    def reveal(self) -> str:
        """The secret itself, for a request's header."""
        return self._value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.source})"

    def __str__(self) -> NoReturn:
        raise TypeError("a secret has no text")

    def __format__(self, spec: str) -> NoReturn:
        raise TypeError("a secret has no text")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written down")


class Token(Secret):
    """A personal, workflow or installation token."""

    __slots__ = ()

    def git_header(self) -> str:
        """The header that git sends: GitHub takes any token as the password of ``x-access-token``."""
        return "Authorization: Basic " + base64.b64encode(f"x-access-token:{self.reveal()}".encode()).decode()


class AppKey(Secret):
    """A GitHub App's private key (PEM), with the App's id or client id."""

    __slots__ = ("app",)

    def __init__(self, app: str, value: str, source: str) -> None:
        super().__init__(value, source)
        self.app = app


def find_credential(host: str, environment: Mapping[str, str]) -> Token | AppKey | None:
    """What the environment has for a host; None for anonymous.

    ``RINGFENCE_TOKEN__HOST`` and the App's ``RINGFENCE_APP_ID__HOST`` with ``RINGFENCE_APP_KEY__HOST`` are for that host. For the
    run's own host (`home_host`): the App variables without a host, then ``GH_TOKEN``, ``GITHUB_TOKEN``. ``GH_ENTERPRISE_TOKEN``
    is for the host that ``GH_HOST`` names. No token is ever given to a host that it was not meant for.
    """
    own = host_variable("", host)
    app = _app(environment, own)
    if app is not None:
        return app
    names = ["RINGFENCE_TOKEN" + own]
    if host == home_host(environment):
        app = _app(environment, "")
        if app is not None and not environment.get(names[0]):
            return app
        names += ["GH_TOKEN", "GITHUB_TOKEN"]
    if host != DOTCOM and environment.get("GH_HOST", "").lower() == host:
        names += ["GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"]
    for name in names:
        if environment.get(name, "").strip():
            return Token(_one_line(name, environment[name]), name)
    return None


def how_to_give_a_token(host: str, environment: Mapping[str, str]) -> str:
    """One sentence for a remedy."""
    usual = "GITHUB_TOKEN or " if host == home_host(environment) else ""
    return f"Set {usual}{host_variable('RINGFENCE_TOKEN', host)} to a token of {host}."


def _app(environment: Mapping[str, str], suffix: str) -> AppKey | None:
    app, key, file = (
        environment.get(f"RINGFENCE_APP_{part}{suffix}", "").strip() for part in ("ID", "KEY", "KEY_FILE")
    )
    source = f"RINGFENCE_APP_KEY{suffix}"
    if not app and not key and not file:
        return None
    if file and not key:
        source = f"RINGFENCE_APP_KEY_FILE{suffix}"
        try:
            key = Path(file).read_text()
        except (OSError, UnicodeDecodeError):
            raise RingfenceError(
                f"the file that {source} names cannot be read", remedy="Name the App's private key, a .pem file."
            ) from None
    if not app or not key:
        missing = f"RINGFENCE_APP_ID{suffix}" if not app else source
        raise RingfenceError(f"{missing} is not set", remedy="A GitHub App needs both: its id and its private key.")
    # Secrets of workflows often have their line ends written as \n.
    key = key.replace("\\n", "\n").strip() + "\n"
    if "PRIVATE KEY" not in key:
        raise RingfenceError(f"{source} is no private key", remedy="Give the .pem file that GitHub made for the App.")
    return AppKey(app, key, source)


def _one_line(name: str, value: str) -> str:
    value = value.strip()
    if not re.fullmatch(r"[\x21-\x7e]+", value):
        raise RingfenceError(
            f"{name} holds no token: it has spaces or line ends in it", remedy="Set it to the token alone."
        )
    return value
