"""The small projects whose locks the real package managers wrote, and the changes that their frozen installs judged.

Shared by ``make.py``, which runs the package managers, and by the tests, which must see the same bytes.
A project is a mapping of paths to texts; a change is a function over it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Files = dict[str, str]
Change = Callable[[Files], object]


# The second one moves a direct dependency of a member out of its own range.
OVERRIDES = {"ansi-styles": "4.3.0", "has-flag": "4.0.0"}


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


def edit(files: Files, path: str, change: Callable[[dict[str, Any]], None]) -> None:
    value = json.loads(files[path])
    change(value)
    files[path] = _json(value)


def project(tool: str) -> Files:
    """The project as one tool can take it: members, aliases, scopes, a folder by path, a nested duplicate, an override."""
    family = tool.rstrip("0123456789")
    root: dict[str, Any] = {
        "name": "root",
        "version": "1.0.0",
        "private": True,
        "dependencies": {
            "debug": "2.6.9",
            "ms": "^2.1.0",
            "ms-old": "npm:ms@2.0.0",
            "semver": "~7.5.0",
            "loc": "file:./loc",
        },
        "devDependencies": {"@sindresorhus/is": "^4.0.0"},
        "optionalDependencies": {"fsevents": "^2.3.0"},
    }
    a: dict[str, Any] = {
        "name": "@acme/a",
        "version": "1.2.3",
        "dependencies": {"b": "^0.1.0", "ms": "2.0.0", "chalk": "^4.0.0"},
        "peerDependencies": {"semver": "*", "kind-of": "*"},
        "peerDependenciesMeta": {"kind-of": {"optional": True}},
    }
    b: dict[str, Any] = {
        "name": "b",
        "version": "0.1.0",
        "dependencies": {"is-number": "^7.0.0"},
        "devDependencies": {"ms": "~2.1.1"},
    }
    loc = {"name": "loc", "version": "9.0.0", "dependencies": {"is-odd": "^3.0.0"}}
    files: Files = {}
    if tool != "npm6":  # npm 6 knows no workspaces
        root["workspaces"] = ["packages/*"]
        files["packages/a/package.json"] = ""
        files["packages/b/package.json"] = ""
    if family == "pnpm":
        del root["workspaces"]
        a["dependencies"]["b"] = "workspace:*"
        a["dependencies"] |= {"react": "17.0.2", "react-dom": "17.0.2"}
        root["dependencies"]["lnk"] = "link:./loc"
        root["pnpm"] = {"overrides": dict(OVERRIDES)}
        lines = ["packages:", '  - "packages/*"', "minimumReleaseAge: 0"]
        if int(tool[4:]) >= 9:
            b["dependencies"] = {"is-number": "catalog:", "is-odd": "catalog:old"}
            lines += ["catalog:", "  is-number: ^7.0.0", "catalogs:", "  old:", "    is-odd: 3.0.0"]
        if int(tool[4:]) >= 12:
            del root["pnpm"]
            lines += ["overrides:", "  ansi-styles: 4.3.0", "  has-flag: 4.0.0", "configDependencies:"]
            lines += ["  is-even: 1.0.0"]
        files["pnpm-workspace.yaml"] = "\n".join(lines) + "\n"
    elif family == "bun":
        a["dependencies"]["b"] = "workspace:*"
        root["overrides"] = dict(OVERRIDES)
        root["workspaces"] = {
            "packages": ["packages/*"],
            "catalog": {"is-number": "^7.0.0"},
            "catalogs": {"old": {"is-odd": "3.0.0"}},
        }
        b["dependencies"] = {"is-number": "catalog:", "is-odd": "catalog:old"}
    elif family == "yarn":
        root["resolutions"] = dict(OVERRIDES)
        root["dependencies"]["lnk"] = "link:./loc"
        if tool == "yarn4":
            a["dependencies"]["b"] = "workspace:*"
            root["dependencies"]["typescript"] = "5.4.5"  # yarn patches it by itself
            files[".yarnrc.yml"] = (
                "enableTelemetry: false\nnpmMinimalAgeGate: 0\nenableGlobalCache: true\nnodeLinker: node-modules\n"
                "catalog:\n  is-number: ^7.0.0\n"
            )
            b["dependencies"] = {"is-number": "catalog:"}
    elif tool != "npm6":
        root["overrides"] = dict(OVERRIDES)
    if tool == "npm8":
        # Its `npm ci` forgets an override of what a member asks for itself, and refuses the lock that it has just written.
        del root["overrides"]["has-flag"]
    else:
        b["dependencies"] |= {"has-flag": "^3.0.0"}
    files["package.json"] = _json(root)
    files["loc/package.json"] = _json(loc)
    if "packages/a/package.json" in files:
        files["packages/a/package.json"] = _json(a)
        files["packages/b/package.json"] = _json(b)
    return files


def _set(path: str, *keys: str, to: object) -> Change:
    def change(files: Files) -> None:
        def apply(value: dict[str, Any]) -> None:
            for key in keys[:-1]:
                value = value.setdefault(key, {})
            if to is None:
                del value[keys[-1]]
            else:
                value[keys[-1]] = to

        edit(files, path, apply)

    return change


def _text(path: str, old: str, new: str) -> Change:
    def change(files: Files) -> None:
        assert old in files[path], (path, old)
        files[path] = files[path].replace(old, new)

    return change


def _move(path: str, name: str, source: str, target: str) -> Change:
    def change(files: Files) -> None:
        def apply(value: dict[str, Any]) -> None:
            value.setdefault(target, {})[name] = value[source].pop(name)

        edit(files, path, apply)

    return change


def _add_member(files: Files) -> None:
    files["packages/c/package.json"] = _json({"name": "c", "version": "1.0.0", "dependencies": {"ms": "2.0.0"}})


def _drop_member(files: Files) -> None:
    del files["packages/b/package.json"]
    edit(files, "packages/a/package.json", lambda value: value["dependencies"].pop("b"))


def _foreign(tool: str, name: str, spec: str) -> Change:
    """An override of a direct dependency in every place that the tool does not read."""
    family = tool.rstrip("0123456789")
    own = {
        "npm": ["overrides"],
        "pnpm": ["resolutions", "pnpm"] if tool != "pnpm12" else [],
        "yarn": ["resolutions"],
        "bun": ["overrides"],  # with them, bun leaves resolutions aside
    }

    def change(files: Files) -> None:
        def apply(value: dict[str, Any]) -> None:
            for field in {"overrides", "resolutions"} - set(own[family]):
                value.setdefault(field, {})[name] = spec
            if "pnpm" not in own[family]:
                value["pnpm"] = {"overrides": {name: spec}}

        edit(files, "package.json", apply)
        if family == "pnpm" and tool != "pnpm12":
            # pnpm 9 and earlier do not read it; pnpm 10 not where the manifest has overrides.
            files["pnpm-workspace.yaml"] += f"overrides:\n  {name}: {spec}\n"

    return change


def _both(*changes: Change) -> Change:
    def change(files: Files) -> None:
        for one in changes:
            one(files)

    return change


def changes(tool: str) -> dict[str, Change]:
    """What a person might do to the project and forget the lock, by name."""
    family = tool.rstrip("0123456789")
    root, a, b = "package.json", "packages/a/package.json", "packages/b/package.json"
    found: dict[str, Change] = {
        "nothing": lambda files: None,
        "root-version": _set(root, "version", to="1.1.0"),
        "root-name": _set(root, "name", to="other"),
        "root-no-version": _set(root, "version", to=None),
        "range-wider": _set(root, "dependencies", "ms", to="^2.0.0"),
        "range-unsatisfied": _set(root, "dependencies", "ms", to="^1.0.0"),
        "pin-changed": _set(root, "dependencies", "debug", to="2.6.8"),
        "pin-to-range": _set(root, "dependencies", "debug", to="^2.6.9"),
        "pin-spelled-otherwise": _set(root, "dependencies", "debug", to="=2.6.9"),
        "alias-changed": _set(root, "dependencies", "ms-old", to="npm:ms@2.1.1"),
        "alias-dropped": _set(root, "dependencies", "ms-old", to="2.0.0"),
        "dependency-added": _set(root, "dependencies", "is-plain-obj", to="^3.0.0"),
        "dependency-added-there-already": _set(root, "dependencies", "color-name", to="~1.1.4"),
        "dependency-removed": _set(root, "dependencies", "semver", to=None),
        "dependency-moved": _move(root, "ms", "dependencies", "devDependencies"),
        "dev-removed": _set(root, "devDependencies", "@sindresorhus/is", to=None),
        "optional-added": _set(root, "optionalDependencies", "is-plain-obj", to="^3.0.0"),
        "optional-changed": _set(root, "optionalDependencies", "fsevents", to="^1.0.0"),
        "optional-removed": _set(root, "optionalDependencies", to=None),
        "peer-added": _set(root, "peerDependencies", "chalk", to="^4.0.0"),
        "path-dependency-changed": _set("loc/package.json", "dependencies", "is-odd", to="^2.0.0"),
        "path-version-changed": _set("loc/package.json", "version", to="9.1.0"),
        "to-git": _set(root, "dependencies", "debug", to="github:acme/debug#1234567890123456789012345678901234567890"),
        "to-tag": _set(root, "dependencies", "ms", to="latest"),
        "foreign-override": _foreign(tool, "debug", "2.6.8"),
        "foreign-override-excuses-nothing": _both(
            _set(root, "dependencies", "debug", to="2.6.8"), _foreign(tool, "debug", "2.6.9")
        ),
    }
    if tool != "npm6":
        found |= {
            "member-version": _set(b, "version", to="0.1.1"),
            "member-version-breaks": _set(b, "version", to="0.2.0"),
            "member-name": _set(a, "name", to="@acme/z"),
            "member-range-wider": _set(a, "dependencies", "chalk", to="^4.1.0"),
            "member-range-unsatisfied": _set(a, "dependencies", "chalk", to="^3.0.0"),
            "member-added-dependency": _set(a, "dependencies", "is-plain-obj", to="^3.0.0"),
            "member-added-hoisted-dependency": _set(a, "dependencies", "debug", to="2.6.9"),
            "member-removed-dependency": _set(a, "dependencies", "chalk", to=None),
            "member-dev-changed": _set(b, "devDependencies", "ms", to="~2.1.0"),
            "member-peer-changed": _set(a, "peerDependencies", "semver", to="^7.0.0"),
            "member-peer-removed": _set(a, "peerDependencies", to=None),
            "member-link-range": _set(
                a, "dependencies", "b", to="^0.2.0" if family in ("npm", "yarn") else "workspace:^"
            ),
            "member-added": _add_member,
            "member-dropped": _drop_member,
            "member-dropped-alone": lambda files: files.pop(a),
        }
    if family == "npm" and tool != "npm6":
        found["override-added"] = _set(root, "overrides", "color-name", to="1.1.3")
        found["override-changed"] = _set(root, "overrides", "ansi-styles", to="4.2.1")
        found["override-removed"] = _set(root, "overrides", to=None)
    if family == "bun":
        found["override-added"] = _set(root, "overrides", "color-name", to="1.1.3")
        found["override-changed"] = _set(root, "overrides", "ansi-styles", to="4.2.1")
        found["override-removed"] = _set(root, "overrides", to=None)
        found["catalog-changed"] = _set(root, "workspaces", "catalog", "is-number", to="^4.0.0")
        found["catalog-wider"] = _set(root, "workspaces", "catalog", "is-number", to=">=7.0.0")
        found["catalog-unused-added"] = _set(root, "workspaces", "catalog", "ms", to="^2.0.0")
    if family == "yarn":
        found["resolution-added"] = _set(root, "resolutions", "color-name", to="1.1.3")
        found["resolution-changed"] = _set(root, "resolutions", "ansi-styles", to="4.2.1")
        found["resolution-removed"] = _set(root, "resolutions", to=None)
        if tool == "yarn4":
            found["catalog-changed"] = _text(".yarnrc.yml", "is-number: ^7.0.0", "is-number: ^4.0.0")
            found["catalog-unused-added"] = _text(".yarnrc.yml", "catalog:\n", "catalog:\n  ms: ^2.0.0\n")
    if family == "pnpm":
        if tool == "pnpm12":
            where = "pnpm-workspace.yaml"
            found["override-added"] = _text(where, "overrides:\n", "overrides:\n  color-name: 1.1.3\n")
            found["override-changed"] = _text(where, "ansi-styles: 4.3.0", "ansi-styles: 4.2.1")
            found["override-removed"] = _text(where, "overrides:\n  ansi-styles: 4.3.0\n  has-flag: 4.0.0\n", "")
        else:
            found["override-added"] = _set(root, "pnpm", "overrides", "color-name", to="1.1.3")
            found["override-changed"] = _set(root, "pnpm", "overrides", "ansi-styles", to="4.2.1")
            found["override-removed"] = _set(root, "pnpm", to=None)
        if int(tool[4:]) >= 9:
            found["catalog-changed"] = _text("pnpm-workspace.yaml", "is-number: ^7.0.0", "is-number: ^4.0.0")
            found["catalog-wider"] = _text("pnpm-workspace.yaml", "is-number: ^7.0.0", "is-number: '>=7.0.0'")
            found["catalog-unused-added"] = _text("pnpm-workspace.yaml", "catalog:\n", "catalog:\n  ms: ^2.0.0\n")
    return found
