"""Reading policy files: what is said, what is refused, and where the refusal points."""

from __future__ import annotations

import datetime
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot.errors import RingfenceError
from bot.model import Place, Severity
from bot.names import PackageName, RepoName
from bot.policy import Policy, PolicyTables, Side
from bot.policy_file import MAX_POLICY, PolicyError, load_policy

RULES = {
    "deep-import": Severity.ERROR,
    "duplicate-core": Severity.WARNING,
    "floating-pin": Severity.ERROR,
    "private-capability": Severity.NOTE,
    "unused-core": Severity.WARNING,
}

# Everything that the format can say, in one file.
COMPLETE = """\
schema = 1
mode = "enforce"
unmatched = "private"

[open]
packages     = ["@acme/*", "pypi:acme-*"]
repositories = ["acme/*"]
members      = ["apps/*"]
published    = ["apps/*"]

[private]
packages     = ["@acme-internal/*"]
repositories = ["acme/platform-*", "acme-internal/*", "git.acme.example/web/*"]
members      = ["platform/*"]
names        = ["platform-todos"]
categories   = ["accounts", "billing"]

[naming]
local  = ["open-{x}", "{x}"]
github = ["acme/{x}"]
npm    = ["@acme/{x}"]
pypi   = ["acme-{x}"]
bin    = ["{x}", "{x}-mcp", "{x}-serve"]
[naming.downstream]
local  = ["platform-{x}"]
github = ["acme/platform-{x}"]
[[naming.monorepo]]
repository = "acme/apps"
member     = "apps/{x}"

[pins]
form        = "exact"
minimum_age = "3 days"
signature   = "when-offered"
provenance  = "ignore"
[[pins.train]]
package = "@acme/core"
tag     = "next"
branch  = "next/*"
until   = 2027-01-31

[reach]
no_exports_map      = "warn"
members             = "loose"
internal            = ["./internal/*", "unstable_*"]
internal_conditions = ["acme-source"]
generated           = ["**/src/generated/storage-kit/**"]
core_sources        = "../open-{x}"

[data]
one_database = [["apps/orders", "platform/checkout"]]
[[data.owner]]
package   = "@acme/orders"
env       = ["ORDERS_DATABASE_URL"]
schemas   = ["orders"]
paths     = ["var/orders.sqlite"]
[[data.contract]]
package   = "@acme/events"
ids       = ["acme.event.v1", "x-acme-signature"]
use       = "@acme/events-sdk"

[registry.npm]
mirrors = [{ url = "https://mirror.acme.example/npm", token_env = "MIRROR_TOKEN", enough = false }]

[rules]
duplicate-core = "error"
unused-core    = "off"

[not_checked]
allow = ["no-overlay", "unsupported-format:bun.lockb"]

[ignore]
paths = ["**/fixtures/**", "**/templates/**"]

[gate]
approvers       = ["@acme/boundary"]
waiver_days_max = 90
repository_may  = ["waive", "ignore", "baseline"]

[[waiver]]
rule    = "deep-import"
path    = "apps/legacy/src/**"
package = "@acme/core"
reason  = "until core 2.1 exports the parser"
owner   = "@acme/web"
expires = 2027-02-15

[upstream]
from      = "fork"
draft     = true
open_max  = 5
isolation = "network-namespace"
trailers  = ["Assisted-by"]
author    = { name = "ringfence[bot]", email = "bot@acme.example" }

[repository."acme/platform-todos"]
mode = "observe"
"""
OPEN = '[open]\npackages = ["@acme/*"]\n'


def load(
    repository: str | bytes | None = None,
    *,
    organisation: str | None = None,
    overlay: str | None = None,
    opened: tuple[str, ...] = (),
    identity: str | None = None,
    rules: Any = RULES,
    vouched: bool = False,
) -> Policy:
    def file(label: str, text: str | bytes | None) -> tuple[str, bytes] | None:
        return None if text is None else (label, text.encode() if isinstance(text, str) else text)

    return load_policy(
        repository_file=file("ringfence.toml", repository),
        organisation_file=file("org.toml", organisation),
        overlay_file=file("overlay.toml", overlay),
        open_patterns=opened,
        rule_ids=rules,
        identity=RepoName.parse(identity) if identity else None,
        vouched=vouched,
        today=datetime.date(2026, 12, 1),
    )


def errors(*args: Any, **kwargs: Any) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        load(*args, **kwargs)
    assert isinstance(caught.value, RingfenceError)
    lines = str(caught.value).split("\n")
    assert lines[: len(caught.value.problems)] == [str(problem) for problem in caught.value.problems]
    return lines


# -- what is said ------------------------------------------------------------------------------


def test_the_complete_example_says_what_it_says() -> None:
    policy = load(COMPLETE, vouched=True)
    tables = policy.tables
    assert tables.private.repositories[2] == "git.acme.example/web/*"
    assert tables.naming is not None
    assert tables.naming.monorepo[0].member == "apps/{x}"
    assert tables.pins.train[0].until == datetime.date(2027, 1, 31)
    assert tables.registry["npm"].mirrors[0].token_env == "MIRROR_TOKEN"
    assert tables.upstream.from_ == "fork"
    assert tables.waiver[0].expires == datetime.date(2027, 2, 15)
    assert policy.today == datetime.date(2026, 12, 1)
    assert not policy.overlay
    assert policy.assumed == policy.notes == policy.private_names == ()


def test_reading_equals_what_msgspec_makes_of_the_same_toml() -> None:
    import tomllib

    assert load(COMPLETE, vouched=True).tables == msgspec.convert(tomllib.loads(COMPLETE), PolicyTables)


def test_one_line_is_a_policy() -> None:
    policy = load(OPEN)
    assert policy.tables == PolicyTables(open=policy.tables.open)
    assert policy.side_of_package(PackageName.npm("@acme/x")) is Side.OPEN


def test_bom_and_crlf_are_fine_and_move_no_line() -> None:
    data = b"\xef\xbb\xbf" + OPEN.replace("\n", "\r\n").encode()
    assert load(data).tables.open.packages == ("@acme/*",)
    assert errors(data + b'mode = "observe"\r\n')[0].startswith("ringfence.toml:3:1: open.mode:")


def test_quoted_dates_are_dates() -> None:
    policy = load(OPEN + '[[waiver]]\nrule = "deep-import"\nexpires = "2027-02-15"\n')
    assert policy.tables.waiver[0].expires == datetime.date(2027, 2, 15)


# -- places ------------------------------------------------------------------------------------


def test_places_lead_to_the_file_and_key_that_said_it() -> None:
    policy = load(COMPLETE, vouched=True)
    assert policy.places["open.packages"] == Place("ringfence.toml", ("open", "packages"))
    assert policy.places["open.packages.1"] == Place("ringfence.toml", ("open", "packages", 1))
    assert policy.places["waiver.0.path"] == Place("ringfence.toml", ("waiver", 0, "path"))
    assert policy.places["rules.unused-core"] == Place("ringfence.toml", ("rules", "unused-core"))
    assert "pins.nothing" not in policy.places
    assert [evidence.place for evidence in policy.evidence("open.packages", "reach.nothing")] == [
        Place("ringfence.toml", ("open", "packages"))
    ]


def test_reading_a_good_policy_imports_no_parser_of_positions() -> None:
    code = (
        "import sys\nfrom bot.policy_file import load_policy\n"
        f"p = load_policy(repository_file=('f', {OPEN.encode()!r}), organisation_file=None, overlay_file=None,"
        " rule_ids=[], identity=None)\n"
        "p.places['open.packages.0']\n"
        "print(sorted(m for m in ('tree_sitter', 'tomlkit', 'httpx', 'packaging', 'rich', 'difflib')"
        " if m in sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


# -- what is refused: one mistake each -----------------------------------------------------------

# (what to put in place of what, or to append to a one-line policy; the whole message)
MISTAKES: list[tuple[str, str]] = [
    ("schema = 2\n" + OPEN, "1:10: schema: this version of Ringfence does not read schema 2"),
    ("schema = true\n" + OPEN, "1:10: schema: this version of Ringfence does not read schema true"),
    ('mode = "audit"\n' + OPEN, '1:8: mode: "audit" is not known here. Write one of "enforce", "observe".'),
    ("", "ringfence.toml: the table [open] is missing. Write [open]"),
    ("[open]\n", "1:1: open: `packages` is missing"),
    ("opne = 1\n" + OPEN, "1:1: opne: there is no key `opne` here. Did you mean `open`?"),
    (OPEN + 'mode = "observe"\n', "3:1: open.mode: there is no key `mode` here. `mode` belongs at the top"),
    (
        OPEN + 'approvers = ["@a"]\n',
        "3:1: open.approvers: there is no key `approvers` here. `approvers` belongs in [gate].",
    ),
    (OPEN + "[pins]\nqqq = 1\n", "4:1: pins.qqq: there is no key `qqq` here. Known keys: form, minimum_age,"),
    (
        OPEN + "[not-checked]\nallow = []\n",
        "3:1: not-checked: there is no key `not-checked` here. Did you mean `not_checked`?",
    ),
    (
        '[open]\npackages = "@acme/*"\n',
        '2:12: open.packages: a list is needed here, not a text. Put it in brackets: packages = ["@acme/*"].',
    ),
    ("[open]\npackages = []\n", "2:12: open.packages: nothing in the list. Write at least 1."),
    (
        '[open]\npackages = ["@acme/*", 3]\n',
        "2:24: open.packages.1: a text is needed here, not a number. Put it in quotes.",
    ),
    ('[open]\npackages = ["@acme/*", ["a"]]\n', "2:24: open.packages.1: a text is needed here, not a list."),
    ('[open]\npackages = [""]\n', "2:13: open.packages.0: an empty text. Write something, or leave it out."),
    ('[open]\npackages = ["*"]\n', '2:13: open.packages.0: "*" matches every package. Name a scope or a prefix'),
    ('[open]\npackages = ["**"]\n', '"**" matches every package'),
    ('[open]\npackages = ["@*/*"]\n', '"@*/*" matches every package'),
    ('[open]\npackages = ["pypi:*"]\n', '"pypi:*" matches every package'),
    ('[open]\npackages = ["{x}"]\n', '"{x}" matches every package'),
    (
        '[open]\npackages = ["cargo:acme"]\n',
        '"cargo:acme" names the ecosystem "cargo". Ringfence knows `npm:` and `pypi:`.',
    ),
    ('[open]\npackages = ["pkg:npm/acme"]\n', '"pkg:npm/acme" is a whole package URL'),
    ('[open]\npackages = ["@acme"]\n', '"@acme" is a scope, not a package. Write the scope\'s packages as `@scope/*`.'),
    ('[open]\npackages = ["@acme/a/b"]\n', '"@acme/a/b" is no name that an npm package can have'),
    ('[open]\npackages = ["pypi:@acme/x"]\n', '"pypi:@acme/x" is no name that a Python package can have'),
    ('[open]\npackages = ["@acme/{x"]\n', '"@acme/{x" has an unbalanced brace. Write a placeholder as `{x}`.'),
    ('[open]\npackages = ["@acme/{a,b}"]\n', '"@acme/{a,b}" lists alternatives in braces. Write one pattern for each.'),
    ('[open]\npackages = ["@acme/{0}"]\n', "has a brace that is no placeholder"),
    ('[open]\npackages = ["!@acme/x"]\n', "begins with `!`, and patterns cannot be negated"),
    ('[open]\npackages = ["@acme/x "]\n', "holds spaces at an end or control characters"),
    ('[open]\npackages = ["@acme/***"]\n', "has three stars in a row"),
    ('[open]\npackages = ["@acme/a*b*c*d*e*f*g*h*i*j"]\n', "has more than 8 wildcards"),
    (OPEN + 'repositories = ["acme"]\n', '3:17: open.repositories.0: "acme" is no repository. Write `owner/name`'),
    (OPEN + 'repositories = ["a/b/c"]\n', '"a/b/c" begins with no host'),
    (OPEN + 'repositories = ["git.acme.example/x"]\n', '"git.acme.example/x" names a host where the owner stands'),
    (OPEN + 'repositories = ["https://github.com/acme/x.git"]\n', "is an address, not a name. Write `acme/x`."),
    (OPEN + 'repositories = ["git@git.acme.example:web/x.git"]\n', "Write `git.acme.example/web/x`."),
    (OPEN + 'repositories = ["*/*"]\n', '"*/*" matches every repository'),
    (OPEN + 'members = ["/apps/*"]\n', '3:12: open.members.0: "/apps/*" is an absolute path'),
    (OPEN + 'members = ["C:/apps"]\n', '"C:/apps" is an absolute path'),
    (OPEN + 'members = ["a/../../b"]\n', '"a/../../b" leads out with `..`'),
    (OPEN + 'members = ["./apps"]\n', '"./apps" holds `.`'),
    (OPEN + 'members = ["apps/"]\n', '"apps/" ends with `/`'),
    (OPEN + "members = ['apps\\x']\n", "holds a backslash. Write paths with `/`."),
    (OPEN + '[private]\nnames = ["ab"]\n', '4:10: private.names.0: "ab" is too short to be told from other words'),
    (
        OPEN + '[private]\npackages = ["npm:@acme/*"]\n',
        '4:13: private.packages.0: "npm:@acme/*" is in open.packages too',
    ),
    (
        OPEN + 'members = ["a/*"]\n[private]\nmembers = ["b", "a/*"]\n',
        '5:17: private.members.1: "a/*" is in open.members too',
    ),
    (
        OPEN + 'repositories = ["Acme/x"]\n[private]\nrepositories = ["github.com/acme/X"]\n',
        '5:17: private.repositories.0: "github.com/acme/X" is in open.repositories too',
    ),
    (OPEN + '[naming]\nlocal = ["open-{x}", "open"]\n', '4:22: naming.local.1: "open" has no `{x}`'),
    (OPEN + '[naming.downstream]\ngithub = ["acme/x"]\n', '4:11: naming.downstream.github.0: "acme/x" has no `{x}`'),
    (OPEN + '[[naming.monorepo]]\nmember = "apps/{x}"\n', "3:1: naming.monorepo.0: `repository` is missing"),
    (OPEN + '[pins]\nform = "lockd"\n', '4:8: pins.form: "lockd" is not known here. Did you mean "locked"?'),
    (
        OPEN + '[pins]\nminimum_age = "3d"\n',
        '4:15: pins.minimum_age: "3d" is no span of time. Write a number and a unit',
    ),
    (OPEN + "[pins]\nminimum_age = 3\n", "4:15: pins.minimum_age: a text is needed here, not a number"),
    (OPEN + "[pins]\ntrain = 1\n", "4:9: pins.train: a list of tables is needed here, not a number"),
    (OPEN + '[[pins.train]]\npackage = "@acme/x"\n', "3:1: pins.train.0: `until` is missing"),
    (
        OPEN + '[[pins.train]]\npackage = "@acme/x"\nuntil = "2027-02-30"\n',
        '5:9: pins.train.0.until: "2027-02-30" is no day of the calendar',
    ),
    (
        OPEN + '[[pins.train]]\npackage = "@acme/x"\nuntil = "soon"\n',
        "5:9: pins.train.0.until: a date is needed here, not a text",
    ),
    (OPEN + '[[pins.train]]\npackage = "@acme/x"\nuntil = 2027-01-01T00:00:00Z\n', "without a time. Write 2027-01-01."),
    (OPEN + '[reach]\nno_exports_map = "warning"\n', 'Did you mean "warn"?'),
    (OPEN + '[reach]\ngenerated = ["src/generated/"]\n', "names a folder, and paths are those of files"),
    (OPEN + '[data]\none_database = [["apps/a"]]\n', "4:17: data.one_database.0: 1 in the list. Write at least 2."),
    (
        OPEN + '[[data.owner]]\npackage = "@acme/x"\nenv = ["A-B"]\n',
        '5:8: data.owner.0.env.0: "A-B" is no name of a variable',
    ),
    (
        OPEN + '[registry.npm]\nurl = "http://mirror.example"\n',
        '4:7: registry.npm.url: "http://mirror.example" is read without',
    ),
    (OPEN + '[registry.npm]\nurl = "ftp://mirror.example"\n', '"ftp://mirror.example" is no https address'),
    (OPEN + '[registry.npm]\nurl = "mirror.example"\n', "4:7: registry.npm.url:"),
    (OPEN + '[registry.npm]\nurl = "https://[bad"\n', "is no address"),
    (
        OPEN + '[registry.npm]\nmirrors = [{ url = "https://a:b@mirror.example" }]\n',
        "4:20: registry.npm.mirrors.0.url: the address holds",
    ),
    (OPEN + '[registry.cargo]\nurl = "https://x.example"\n', "3:1: registry.cargo: there is no key `cargo` here"),
    (
        OPEN + '[rules]\ndeep_import = "off"\n',
        '4:1: rules.deep_import: there is no rule "deep_import". Did you mean `deep-import`?',
    ),
    (OPEN + "[rules]\nunused-core = false\n", '4:15: rules.unused-core: false is not known here. Did you mean "off"?'),
    (OPEN + '[rules]\nunused-core = "warn"\n', 'Did you mean "warning"?'),
    (
        OPEN + '[not_checked]\nallow = ["No overlay"]\n',
        '4:10: not_checked.allow.0: "No overlay" is no reason that a report gives',
    ),
    (OPEN + '[ignore]\npaths = ["/etc"]\n', '4:10: ignore.paths.0: "/etc" is an absolute path'),
    (OPEN + '[gate]\napprovers = ["boundary"]\n', '4:14: gate.approvers.0: "boundary" is neither a user nor a team'),
    (OPEN + "[gate]\nwaiver_days_max = 0\n", "4:19: gate.waiver_days_max: 0 is too small. Write 1 or more."),
    (
        OPEN + "[gate]\nwaiver_days_max = 1.5\n",
        "4:19: gate.waiver_days_max: a whole number is needed here, not a number",
    ),
    (OPEN + "[gate]\nwaiver_days_max = true\n", "a whole number is needed here, not true or false"),
    (OPEN + '[gate]\nrepository_may = ["all"]\n', '4:19: gate.repository_may.0: "all" is not known here'),
    (
        OPEN + '[waiver]\nrule = "deep-import"\n',
        "waiver: a list of tables is needed here, not a table. Write each one under its own [[waiver]].",
    ),
    (OPEN + '[[waiver]]\npath = "a/**"\n', "3:1: waiver.0: `rule` is missing"),
    (
        OPEN + '[[waiver]]\nrule = "deep-imports"\n',
        '4:8: waiver.0.rule: there is no rule "deep-imports". Did you mean `deep-import`?',
    ),
    (
        OPEN
        + '[[waiver]]\nrule = "deep-import"\npath = "a"\n[[waiver]]\nrule = "deep-import"\npath = "a"\nreason = "r"\n',
        "6:1: waiver.1: this waiver says the same as waiver.0. Keep one of them.",
    ),
    (OPEN + '[upstream]\ndraft = "yes"\n', "4:9: upstream.draft: true or false is needed here, not a text"),
    (
        OPEN + '[upstream]\nauthor = { nme = "x" }\n',
        "4:12: upstream.author.nme: there is no key `nme` here. Did you mean `name`?",
    ),
    (
        OPEN + '[repository."https://github.com/acme/x"]\nmode = "observe"\n',
        "is an address, not a name. Write `acme/x`.",
    ),
    (OPEN + "[repository.acme]\n", '"acme" is no repository'),
    (OPEN + "[pins]\n[pins]\n", "4:6: this is not TOML: Cannot declare"),
    ("[open]\npackages = @acme/*\n", "2:12: this is not TOML: Invalid value. TOML puts texts in quotes."),
    ("open:\n  packages: []\n", "1:5: this is not TOML:"),
    ("[open]\npackages = [\n", "ringfence.toml:2:"),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_a_mistake_is_one_error_that_points_at_it(text: str, message: str) -> None:
    found = errors(text)
    assert len(found) == 1, found
    assert message in found[0]
    assert found[0].endswith((".", "?"))


def test_every_error_is_reported_at_once_in_the_order_of_lines() -> None:
    text = 'schema = 9\n[open]\npackages = ["*", "@acme"]\nfoo = 1\n[rules]\nnope = "error"\n[pins]\nform = 1\n'
    found = errors(text)
    assert [line.split(":")[1] for line in found] == ["1", "3", "3", "4", "6", "8"]


def test_errors_of_several_files_come_together() -> None:
    found = errors("[ignore]\npaths = [1]\n", organisation=OPEN + "x = 1\n", overlay="y = 1\n")
    assert [line.split(":")[0] for line in found] == ["org.toml", "ringfence.toml", "overlay.toml"]


def test_columns_count_code_points() -> None:
    assert errors('[open]\npackages = ["@acme/*", "é😀", "*"]\n')[-1].startswith("ringfence.toml:2:30:")


def test_a_comment_behind_a_value_moves_no_column() -> None:
    text = '[open]\npackages = ["@a/*"]\n[reach]\nno_exports_map = "strict" # "warn"\nmembers = "tight"\t# or strict\n'
    lines = [line.partition(": ")[0] for line in errors(text)]
    assert lines == ["ringfence.toml:4:18", "ringfence.toml:5:11"]


def test_list_items_and_nested_tables_are_found_on_their_own_lines() -> None:
    text = (
        OPEN
        + '[data]\n[[data.owner]]\npackage = "@acme/a"\n[[data.owner]]\npackage = "@acme/b"\npaths = [\n  "a",\n  2,\n]\n'
    )
    assert errors(text)[0].startswith("ringfence.toml:10:3: data.owner.1.paths.1: ")


def test_dotted_and_quoted_keys_are_found() -> None:
    text = 'open.packages = ["@acme/*"]\nrules."deep-import" = "error"\nrules.\'nope\' = "error"\n'
    assert errors(text)[0].startswith("ringfence.toml:3:1: rules.nope:")


def test_a_control_character_in_a_value_does_not_reach_the_terminal() -> None:
    for line in errors('"\\u001b[31mx" = 1\n[open]\npackages = ["\\u001b[2J"]\n'):
        assert line.isprintable()


def test_a_pasted_token_is_not_repeated() -> None:
    found = errors(OPEN + '[registry.npm]\nmirrors = [{ url = "https://m.example", token_env = "abc/DEF-secret" }]\n')
    assert "secret" not in found[0]


# -- bytes -------------------------------------------------------------------------------------


def test_not_utf8_says_where() -> None:
    assert errors(b"[open]\n# caf\xe9\n") == ["ringfence.toml:2:6: the file is not UTF-8 here. Save it as UTF-8."]
    assert "UTF-8" in errors(OPEN.encode("utf-16"))[0]


def test_too_large_is_refused() -> None:
    assert "A policy fits in 1 MB" in errors(OPEN.encode() + b"#" * MAX_POLICY)[0]
    assert load(OPEN.encode() + b"#" * (MAX_POLICY - len(OPEN))).tables.open


HOSTILE: dict[str, Callable[[], str]] = {
    "nested lists": lambda: "a = " + "[" * 100_000,
    "nested tables": lambda: "a = " + "{a=" * 100_000,
    "closed lists": lambda: "a = " + "[" * 200 + "]" * 200,
    "a dotted key": lambda: "a" + ".a" * 400_000 + " = 1",
    "a quoted dotted key": lambda: '"\\""' + '."\\""' * 150_000 + " = 1",
    "a dotted header": lambda: "[" + "a." * 400_000 + "a]",
    "many quotes": lambda: 'a = "' + '\\"' * 400_000 + "." * 40,
    "a long number": lambda: "a = " + "9" * 500_000,
    "a long key": lambda: "a" * 900_000 + " = 1",
    "many mistakes on one line": lambda: "[open]\npackages = [" + "1," * 400_000 + "]",
    "many unknown keys": lambda: "".join(f"pakages{n} = 1\n" for n in range(60_000)),
    "many tables": lambda: OPEN + "[[waiver]]\nrule='x'\n" * 40_000,
    "stars": lambda: '[open]\npackages = ["' + "*" * 900_000 + '"]',
    "braces": lambda: '[open]\npackages = ["' + "{" * 900_000 + '"]',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_soon(name: str) -> None:
    text = HOSTILE[name]()
    assert len(text) <= MAX_POLICY
    began = time.process_time()
    found = errors(text)
    assert time.process_time() - began < 10
    assert len(found) <= 102
    assert all(len(line) < 1000 for line in found)


# -- without a file ----------------------------------------------------------------------------


def test_open_patterns_make_a_policy_and_say_what_it_assumes() -> None:
    policy = load(opened=("@acme/*", "pypi:acme-*"))
    assert policy.tables == PolicyTables(open=policy.tables.open)
    assert policy.tables.open.packages == ("@acme/*", "pypi:acme-*")
    assert policy.assumed == (
        "for want of a policy @acme/* and pypi:acme-* are open, everything else is private",
        "no package is private by name: an open one that uses it is found only inside a workspace",
        "open packages are pinned to one exact version",
        "a subpath of a package without an exports map is a warning",
        "no naming scheme is set",
    )


def test_bad_open_patterns_are_refused() -> None:
    assert errors(opened=("*", "@acme")) == [
        '--open: "*" matches every package. Name a scope or a prefix, such as `@acme/*` or `npm:acme-*`.',
        '--open: "@acme" is a scope, not a package. Write the scope\'s packages as `@scope/*`.',
    ]


@pytest.mark.parametrize("where", ["repository", "organisation"])
def test_open_patterns_beside_a_file_are_refused(where: str) -> None:
    found = errors(**{where: OPEN}, opened=("@acme/*",))
    assert len(found) == 1
    assert "Leave --open out" in found[0]


def test_nothing_at_all_says_what_to_do() -> None:
    assert "ringfence init" in errors()[0]
    assert "ringfence init" in errors(overlay='[private]\nnames = ["zebra"]\n')[0]


# -- any bytes ---------------------------------------------------------------------------------

_words = st.sampled_from(
    [
        "[open]",
        "packages",
        "=",
        "[",
        "]",
        '"@acme/*"',
        "{",
        "}",
        ".",
        ",",
        "[[waiver]]",
        "rule",
        '"deep-import"',
        "[private]",
        "[rules]",
        "1",
        "true",
        "2027-01-01\n",
        "[naming]",
        "[repository.'a/b']",
        "'",
        '"',
        "*",
        "[data]",
        "[pins]",
        "form",
        "mode",
        "\r\n",
    ]
)
_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["@acme/*", "*", "a/b", "exact", "off", "{x}", "error"])
    | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def _only_policy_errors(**files: bytes | None) -> None:
    try:
        policy = load_policy(
            repository_file=("r", files["r"]) if files.get("r") is not None else None,  # type: ignore[arg-type]
            organisation_file=("o", files["o"]) if files.get("o") is not None else None,  # type: ignore[arg-type]
            overlay_file=("v", files["v"]) if files.get("v") is not None else None,  # type: ignore[arg-type]
            rule_ids=RULES,
            identity=RepoName("github.com", "a", "b"),
        )
    except PolicyError as caught:
        if not caught.problems or not str(caught):
            raise AssertionError("an error that says nothing") from caught
    else:
        assert policy.digest
        assert list(policy.places) == [key for key in policy.places if policy.places[key]]


@given(st.binary(max_size=200))
@example(b"a=1979-13-01")
@example(b"\x00")
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_policy_or_a_policy_error(data: bytes) -> None:
    _only_policy_errors(r=data)
    _only_policy_errors(o=OPEN.encode(), r=data, v=data)


@given(st.lists(_words, max_size=40).map(" ".join), st.lists(_words, max_size=20).map(" ".join))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_words_are_a_policy_or_a_policy_error(one: str, other: str) -> None:
    _only_policy_errors(r=one.encode())
    _only_policy_errors(o=OPEN.encode() + one.encode(), r=other.encode(), v=one.encode())


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quote(key)} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return _quote(value) if isinstance(value, str) else "0" if value is None else repr(value)


def _quote(text: str) -> str:
    return '"' + "".join(f"\\U{ord(char):08x}" for char in text if not 0xD800 <= ord(char) < 0xE000) + '"'


_PATHS = [
    tuple(key.split("."))
    for key in load(COMPLETE, vouched=True).places
    if not any(part.isdigit() or "/" in part for part in key.split("."))
]


@given(st.dictionaries(st.sampled_from(_PATHS), _values, max_size=6), st.booleans())
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_value_anywhere_is_a_policy_or_a_policy_error(said: dict[tuple[str, ...], object], under: bool) -> None:
    lines = [".".join(map(_quote, path)) + " = " + _toml(value) for path, value in said.items()]
    data = "\n".join(lines).encode()
    _only_policy_errors(r=data, o=OPEN.encode() if under else None, v=data if under else None)
    _only_policy_errors(r=data + b"\n" + OPEN.encode())
