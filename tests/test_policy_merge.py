"""The organisation's file, its overlay, a repository's own file: who may say what, and what stays unsaid."""

from __future__ import annotations

import datetime
from typing import Any

import msgspec
import pytest

from bot.model import Place, Severity
from bot.names import PackageName, RepoName
from bot.policy import Policy, PolicyTables, Side
from bot.policy_file import _LADDERS, _STRATEGIES, PolicyError, load_policy
from bot.text import Private, Public

RULES = {"deep-import": Severity.ERROR, "unused-core": Severity.WARNING, "private-capability": Severity.NOTE}
ORG = '[open]\npackages = ["@acme/*"]\n'


def load(
    repository: str | None = None,
    *,
    organisation: str | None = ORG,
    overlay: str | None = None,
    identity: str | None = "acme/platform-x",
    rules: Any = RULES,
    opened: tuple[str, ...] = (),
    vouched: bool = False,
) -> Policy:
    return load_policy(
        repository_file=("own.toml", repository.encode()) if repository is not None else None,
        organisation_file=("org.toml", organisation.encode()) if organisation is not None else None,
        overlay_file=("overlay.toml", overlay.encode()) if overlay is not None else None,
        open_patterns=opened,
        rule_ids=rules,
        identity=RepoName.parse(identity) if identity else None,
        vouched=vouched,
        today=datetime.date(2026, 12, 1),
    )


def errors(*args: Any, **kwargs: Any) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        load(*args, **kwargs)
    return str(caught.value).split("\n")


def value(policy: Policy, key: str) -> object:
    found: Any = msgspec.json.decode(msgspec.json.encode(policy.tables))
    for part in key.split("."):
        found = found[part]
    return found


def test_every_key_has_a_strategy() -> None:
    keys: set[str] = set()

    def visit(node: Any, path: str) -> None:
        while isinstance(node, msgspec.inspect.Metadata | msgspec.inspect.UnionType):
            node = node.type if isinstance(node, msgspec.inspect.Metadata) else node.types[0]
        if isinstance(node, msgspec.inspect.StructType):
            for entry in node.fields:
                visit(entry.type, f"{path}.{entry.encode_name}".lstrip("."))
        elif isinstance(node, msgspec.inspect.DictType):
            visit(node.value_type, path + ".*")
        else:
            keys.add(path)

    visit(msgspec.inspect.type_info(PolicyTables), "")
    assert {key for key in keys if not key.startswith("repository.")} == set(_STRATEGIES)
    assert set(_LADDERS) <= set(_STRATEGIES)
    assert {key for key, both in _STRATEGIES.items() if "raise" in both} == set(_LADDERS)


# -- a repository's own file under an organisation's ---------------------------------------------


def test_it_needs_no_open_table_then() -> None:
    policy = load('[[waiver]]\nrule = "deep-import"\nreason = "r"\n')
    assert policy.tables.waiver[0].reason == "r"
    assert policy.tables.open.packages == ("@acme/*",)
    assert policy.places["waiver.0.rule"] == Place("own.toml", ("waiver", 0, "rule"))
    assert policy.places["open.packages.0"] == Place("org.toml", ("open", "packages", 0))


def test_alone_it_does() -> None:
    assert "the table [open] is missing" in errors('mode = "observe"\n', organisation=None)[0]


# key, organisation's value, repository's value, what is in force then (None: refused)
TIGHTENING: list[tuple[str, str | None, str, object]] = [
    ("mode", '"observe"', '"enforce"', "enforce"),
    ("mode", '"enforce"', '"observe"', None),
    ("mode", None, '"observe"', None),
    ("mode", None, '"enforce"', "enforce"),
    ("unmatched", '"open"', '"private"', "private"),
    ("unmatched", None, '"open"', None),
    ("open.packages", None, '["@acme/*"]', ["@acme/*"]),
    ("open.packages", None, '["@acme/*", "@other/*"]', None),
    ("open.members", None, '["apps/*"]', None),
    ("open.repositories", '["acme/*"]', '["acme/x"]', None),
    ("open.published", None, '["apps/*"]', None),
    ("private.packages", '["@a/*"]', '["@b/*", "@a/*"]', ["@a/*", "@b/*"]),
    ("private.repositories", None, '["acme/x"]', ["acme/x"]),
    ("private.members", None, '["apps/x"]', ["apps/x"]),
    ("private.names", None, '["zebra"]', ["zebra"]),
    ("private.categories", '["a", "b"]', '["b"]', ["b"]),
    ("private.categories", '["a"]', '["a", "b"]', None),
    ("naming.local", None, '["open-{x}"]', ["open-{x}"]),
    ("naming.local", '["open-{x}", "{x}"]', '["open-{x}"]', ["open-{x}", "{x}"]),
    ("naming.local", '["open-{x}"]', '["{x}"]', None),
    ("pins.form", '"locked"', '"exact"', "exact"),
    ("pins.form", None, '"locked"', None),
    ("pins.minimum_age", '"2 days"', '"1 week"', "1 week"),
    ("pins.minimum_age", '"2 days"', '"36 hours"', None),
    ("pins.minimum_age", None, '"1 hour"', "1 hour"),
    ("pins.signature", '"when-offered"', '"required"', "required"),
    ("pins.signature", '"when-offered"', '"ignore"', None),
    ("pins.provenance", None, '"when-offered"', "when-offered"),
    ("reach.no_exports_map", '"off"', '"warn"', "warn"),
    ("reach.no_exports_map", None, '"error"', "error"),
    ("reach.no_exports_map", None, '"off"', None),
    ("reach.members", None, '"strict"', "strict"),
    ("reach.members", '"strict"', '"loose"', None),
    ("reach.internal", '["a/*"]', '["b/*"]', ["a/*", "b/*"]),
    ("reach.generated", '["a/**", "b/**"]', '["a/**"]', ["a/**"]),
    ("reach.generated", None, '["a/**"]', None),
    ("reach.core_sources", '"../a-{x}"', '"../b-{x}"', "../b-{x}"),
    ("data.one_database", '[["a", "b"]]', '[["c", "d"]]', [["a", "b"], ["c", "d"]]),
    ("registry.npm.url", None, '"https://r.example"', None),
    ("registry.npm.mirrors", None, '[{ url = "https://r.example" }]', None),
    ("rules.deep-import", '"off"', '"note"', "note"),
    ("rules.deep-import", '"error"', '"warning"', None),
    ("rules.deep-import", None, '"warning"', None),
    ("rules.unused-core", None, '"error"', "error"),
    ("rules.unused-core", None, '"off"', None),
    ("rules.private-capability", None, '"warning"', "warning"),
    ("not_checked.allow", '["a", "b"]', '["b"]', ["b"]),
    ("not_checked.allow", '["a"]', '["a:x"]', ["a:x"]),
    ("not_checked.allow", '["a:x"]', '["a"]', None),
    ("not_checked.allow", None, '["a"]', None),
    ("gate.approvers", '["@a"]', '["@b"]', None),
    ("gate.approvers", '["@a"]', "[]", ["@a"]),
    ("gate.waiver_days_max", "90", "30", 30),
    ("gate.waiver_days_max", "90", "91", None),
    ("gate.waiver_days_max", None, "30", 30),
    ("gate.repository_may", '["waive", "ignore"]', '["waive"]', ["waive"]),
    ("gate.repository_may", '["waive"]', '["waive", "ignore"]', None),
    ("upstream.isolation", None, '"none"', None),
    ("upstream.open_max", None, "2", 2),
    ("upstream.open_max", None, "6", None),
    ("upstream.author.email", None, '"x@y.example"', None),
]


@pytest.mark.parametrize(("key", "organisation", "repository", "wanted"), TIGHTENING)
def test_it_may_only_tighten(key: str, organisation: str | None, repository: str, wanted: object) -> None:
    base = 'open.packages = ["@acme/*"]\n' + (f"{key} = {organisation}\n" if organisation else "")
    own = f"{key} = {repository}\n"
    if wanted is None:
        found = errors(own, organisation=base)
        assert len(found) == 1
        assert found[0].startswith("own.toml:1:")
        assert "org.toml decides it." in found[0] or "it may only be raised." in found[0]
    else:
        assert value(load(own, organisation=base), key) == wanted


def test_without_default_severities_only_error_is_a_raise() -> None:
    assert load('[rules]\nunused-core = "error"\n', rules=list(RULES)).tables.rules == {"unused-core": "error"}
    assert "laxer" in errors('[rules]\nunused-core = "warning"\n', rules=list(RULES))[0]


def test_several_raised_keys_and_their_places() -> None:
    policy = load('mode = "enforce"\n[rules]\nunused-core = "error"\n[private]\npackages = ["@p/*"]\n')
    assert policy.places["rules.unused-core"] == Place("own.toml", ("rules", "unused-core"))
    assert policy.places["private.packages.0"] == Place("own.toml", ("private", "packages", 0))
    assert policy.side_of_package(PackageName.npm("@p/x")) is Side.PRIVATE


def test_a_shortened_list_keeps_no_place_of_the_old_one() -> None:
    policy = load('not_checked.allow = ["b"]\n', organisation=ORG + '[not_checked]\nallow = ["a", "b"]\n')
    assert policy.places["not_checked.allow.0"] == Place("own.toml", ("not_checked", "allow", 0))
    assert "not_checked.allow.1" not in policy.places


def test_its_waivers_and_ignored_paths_need_a_grant() -> None:
    own = '[ignore]\npaths = ["a/**"]\n[[waiver]]\nrule = "deep-import"\n[[waiver]]\nrule = "unused-core"\n'
    granted = load(own)
    assert granted.tables.ignore.paths == ("a/**",)
    assert len(granted.tables.waiver) == 2
    assert granted.notes == ()
    refused = load(own, organisation=ORG + '[gate]\nrepository_may = ["baseline"]\n')
    assert refused.tables.ignore.paths == ()
    assert refused.tables.waiver == ()
    assert refused.notes == (
        "1 ignored path has no effect in own.toml: the organisation's policy does not grant `ignore` in gate.repository_may",
        "2 waivers have no effect in own.toml: the organisation's policy does not grant `waive` in gate.repository_may",
    )
    assert "waiver.0.rule" not in refused.places


def test_what_it_repeats_or_contradicts_is_found_across_files() -> None:
    waiver = '[[waiver]]\nrule = "deep-import"\npath = "a"\n'
    found = errors(waiver, organisation=ORG + waiver)
    assert found == ["own.toml:1:1: waiver.0: this waiver says the same as waiver.0 of org.toml. Keep one of them."]


WIDE = (
    '[open]\npackages = ["@acme/*", "acme-{x}", "pypi:acme-*"]\nrepositories = ["acme/*"]\nmembers = ["apps/*"]\n'
    'published = ["libs/**"]\n[private]\npackages = ["@acme/platform-*"]\nrepositories = ["acme/platform-*"]\n'
    'members = ["apps/closed-*"]\nnames = ["todos"]\n'
)


@pytest.mark.parametrize(
    ("key", "pattern"),
    [
        ("packages", "@acme/core"),
        ("packages", "npm:@acme/core"),
        ("packages", "@acme/*"),
        ("packages", "@*/core"),
        ("packages", "@acme/plat*"),
        ("packages", "acme-*"),
        ("packages", "pypi:ACME_core"),
        ("repositories", "Acme/Core"),
        ("repositories", "github.com/acme/*-core"),
        ("members", "apps/core"),
        ("members", "**/core"),
        ("members", "libs/a/b"),
    ],
)
def test_what_the_organisation_calls_open_is_not_made_private(key: str, pattern: str) -> None:
    line = f'{key} = ["@okapi/ok", "{pattern}"]' if key == "packages" else f'{key} = ["okapi/ok", "{pattern}"]'
    assert errors(f"[private]\n{line}\n", organisation=WIDE) == [
        f'own.toml:2:{line.index(pattern)}: private.{key}.1: "{pattern}" takes away what org.toml calls open. '
        "Leave it out here, or have it called private there."
    ]


@pytest.mark.parametrize(
    ("key", "pattern"),
    [
        ("packages", "@acme/platform-x"),
        ("packages", "@acme/platform-*-x"),
        ("packages", "@acme/todos"),
        ("packages", "@acme-internal/*"),
        ("packages", "pypi:other-*"),
        ("packages", "pypi:todos"),
        ("repositories", "acme/platform-x"),
        ("repositories", "acme/todos"),
        ("repositories", "git.acme.example/acme/core"),
        ("members", "apps/closed-x"),
        ("members", "apps/x/y"),
        ("members", "tools/*"),
    ],
)
def test_what_is_not_open_may_be_called_private(key: str, pattern: str) -> None:
    policy = load(f'[private]\n{key} = ["{pattern}"]\n', organisation=WIDE)
    assert pattern in getattr(policy.tables.private, key)


def test_a_word_of_its_own_takes_no_open_package_away() -> None:
    own = '[private]\nnames = ["core", "zebra"]\n'
    policy = load(own, organisation=ORG + 'repositories = ["acme/*"]\n', overlay='[private]\nnames = ["zebra"]\n')
    assert policy.own_names == ("core",)
    core, zebra = PackageName.npm("@acme/core"), PackageName.npm("@acme/zebra")
    assert policy.side_of_package(core) is Side.OPEN
    assert policy.side_of_package(PackageName.npm("@other/core")) is Side.PRIVATE
    assert policy.side_of_repository(RepoName.parse("acme/core")) is Side.OPEN
    assert policy.side_of_repository(RepoName.parse("other/core")) is Side.PRIVATE
    # The overlay says the other one too, and the overlay may.
    assert policy.side_of_package(zebra) is Side.PRIVATE
    assert (policy.is_disputed(core), policy.is_disputed(zebra)) == (True, False)
    assert policy.notes == (
        '"core" makes no package private that org.toml calls open (own.toml:2:10); no registry is asked for one of that name',
    )
    assert load(own, organisation='[open]\npackages = ["@acme/a-*"]\n').notes == ()
    # Alone it is the whole policy, and says what it likes.
    alone = load(ORG + own, organisation=None)
    assert alone.side_of_package(core) is Side.PRIVATE
    assert alone.own_names == ()


def test_its_words_do_not_excuse_its_patterns() -> None:
    own = '[private]\nnames = ["core"]\npackages = ["@acme/core"]\n'
    assert "takes away what org.toml calls open" in errors(own)[0]


MIRROR = '[registry.npm]\nurl = "https://r.example"\nmirrors = [{ url = "https://m.example", token_env = "TOKEN" }]\n'


def tokens(policy: Policy) -> list[str | None]:
    return [mirror.token_env for mirror in policy.tables.registry["npm"].mirrors]


def test_a_file_that_anybody_may_have_written_sends_no_token() -> None:
    policy = load(ORG + MIRROR, organisation=None)
    assert policy.tables.registry["npm"].url == "https://r.example"
    assert tokens(policy) == [None]
    assert policy.notes == (
        "the mirror https://m.example is asked without its token: own.toml may be anybody's; "
        "to vouch for it, name it with --policy, or a --base that has it",
    )
    assert "registry.npm.mirrors.0.token_env" not in policy.places
    assert "registry.npm.mirrors.0.url" in policy.places


def test_a_file_that_somebody_vouches_for_sends_its_token() -> None:
    vouched = load(ORG + MIRROR, organisation=None, vouched=True)
    assert (tokens(vouched), vouched.notes) == (["TOKEN"], ())
    named = load(organisation=ORG + MIRROR)
    assert (tokens(named), named.notes) == (["TOKEN"], ())
    # The overlay is the user's own.
    overlay = '[registry.npm]\nmirrors = [{ url = "https://o.example", token_env = "OTHER" }]\n'
    beside = load(ORG + MIRROR, organisation=None, overlay=overlay)
    assert tokens(beside) == [None, "OTHER"]


def test_the_organisation_speaks_of_one_repository() -> None:
    base = (
        ORG
        + '[rules]\nunused-core = "error"\n[repository."acme/platform-*"]\nmode = "observe"\nrules.unused-core = "off"\n'
    )
    policy = load(organisation=base)
    assert policy.tables.mode == "observe"
    assert policy.tables.rules == {"unused-core": "off"}
    assert policy.severity("unused-core", Severity.WARNING) is None
    assert policy.places["mode"] == Place("org.toml", ("repository", "acme/platform-*", "mode"))
    assert load(organisation=base, identity="ACME/Platform-X").tables.mode == "observe"
    assert load(organisation=base, identity="acme/other").tables.mode == "enforce"
    assert load(organisation=base, identity="git.acme.example/acme/platform-x").tables.mode == "enforce"
    assert load(organisation=base, identity=None).tables.mode == "enforce"
    assert load('mode = "enforce"\n', organisation=base).tables.mode == "enforce"
    assert (
        "[repository] tables are the organisation's" in errors('[repository."acme/platform-x"]\nmode = "enforce"\n')[0]
    )


# -- the overlay -------------------------------------------------------------------------------

OVERLAY = """\
[private]
packages     = ["@zebra/*", "@acme/yak-*", "pypi:gnu-herd-*", "okapi"]
repositories = ["acme/tapir-*", "acme-okapi/*", "git.quokka.example/web/*", "acme/api"]
names        = ["Wombat"]
members      = ["apps/quagga"]
[rules]
unused-core = "error"
[[waiver]]
rule = "deep-import"
path = "apps/quagga/**"
reason = "axolotl"
[repository."acme/ibex-mail"]
mode = "enforce"
"""
SECRETS = ("zebra", "yak", "gnu", "tapir", "okapi", "quokka", "wombat", "quagga", "axolotl", "ibex")


def test_the_overlay_adds_and_leaves_no_place() -> None:
    policy = load(overlay=OVERLAY)
    assert policy.overlay
    assert policy.side_of_package(PackageName.npm("@zebra/x")) is Side.PRIVATE
    assert policy.tables.rules == {"unused-core": "error"}
    assert policy.tables.waiver[0].reason == "axolotl"
    assert [key for key in policy.places if policy.places[key].path != "org.toml"] == []
    assert policy.evidence("private.packages", "private.packages.0", "open.packages")[0].params["key"] == Public(
        "open.packages"
    )
    assert len(policy.evidence("private.packages", "private.packages.0", "waiver.0.path")) == 0


@pytest.mark.parametrize(
    "text",
    [
        "@zebra/core",
        "pkg:npm/%40zebra/core@1.0.0",
        "https://host.example/@zebra%2fcore",
        "@zebra:registry=https://x.example",
        "@acme/yak-mail",
        "gnu-herd-mail",
        "import gnu_herd_mail",
        "okapi",
        "../tapir-mail/src",
        "acme/tapir-mail",
        "git@host.example:acme-okapi/x.git",
        "https://git.quokka.example/",
        "github.com/acme/api",
        "the WOMBAT product",
        "acme/ibex-mail",
        "../ibex-mail",
    ],
)
def test_its_names_are_private_in_any_text(text: str) -> None:
    assert isinstance(load(overlay=OVERLAY).text(text), Private)


@pytest.mark.parametrize("text", ["@acme/core", "@acme/ya", "src/api/index.ts", "acme/apps", "web/x", "the product"])
def test_other_names_are_not(text: str) -> None:
    assert load(overlay=OVERLAY).text(text) == Public(text)


def test_a_policy_without_overlay_keeps_nothing_private() -> None:
    assert load(organisation=ORG + '[private]\nnames = ["zebra"]\n').text("zebra") == Public("zebra")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('mode = "observe"\n', "this value is laxer than what is in force"),
        ('[rules]\ndeep-import = "off"\n', "this value is laxer"),
        ('[open]\npackages = ["@zebra/*"]\n', "the overlay may not widen the open side"),
        ('[open]\nmembers = ["apps/quagga"]\n', "the overlay may not widen the open side"),
        ('[not_checked]\nallow = ["zebra"]\n', "the overlay may only shorten not_checked.allow"),
        ('[pins]\nform = "locked"\n', "laxer"),
        ('[repository."acme/zebra"]\nmode = "observe"\nrules.zebra = "off"\n', "there is no rule this value"),
        ('[repository."acme/platform-x"]\nmode = "observe"\n', "laxer"),
        ('[private]\npackages = ["@acme/*"]\n', "this value is in open.packages too"),
        ('[private]\npackages = ["*-*ze*"]\n', "too little of this pattern is literal"),
        ('[private]\nrepositories = ["*/ze-*"]\n', "too little of this pattern is literal"),
        ('[private]\nnames = ["ze"]\n', "this value is too short"),
        ('[private]\nzebra = ["zebra"]\nnames = "zebra"\n', "there is no such key"),
        ('[rules]\nzebra = "error"\n', "there is no rule this value"),
        ('[registry.zebra]\nurl = "zebra"\n', "there is no such key"),
        ('[registry.npm]\nurl = "ftp://zebra"\n', "this value is no https address"),
        ('[private]\nrepositories = ["https://github.com/acme/zebra"]\n', "Write `owner/name`."),
        ("zebra zebra\n", "this is not TOML."),
        ("[private]\nnames = [zebra]\n", "this is not TOML."),
        (
            '[[waiver]]\nrule = "deep-import"\npath = "zebra"\n[[waiver]]\nrule = "deep-import"\npath = "zebra"\n',
            "says the same as",
        ),
        ('[pins]\nminimum_age = "zebra"\n', "this value is no span of time"),
        ('[pins]\nform = "zebra"\n', "this value is not known here"),
    ],
)
def test_it_may_not_weaken_and_its_errors_name_nothing(text: str, message: str) -> None:
    found = "\n".join(errors(overlay=text))
    assert message in found
    assert found.startswith("overlay.toml:")
    assert not [secret for secret in SECRETS if secret in found.lower()]


def test_the_repository_is_held_to_the_overlay_too() -> None:
    found = errors('[rules]\nunused-core = "warning"\n', overlay='[rules]\nunused-core = "error"\n')
    assert found[0].startswith("own.toml:2:15: rules.unused-core:")


def test_a_contradiction_between_overlay_and_another_file_gives_no_name_away() -> None:
    waiver = '[[waiver]]\nrule = "deep-import"\npath = "zebra"\n'
    found = "\n".join(errors(waiver, overlay=waiver))
    assert found.startswith("own.toml:1:1: waiver.0: this waiver says the same as another.")
    assert "zebra" not in found


def test_with_open_patterns_the_overlay_still_counts() -> None:
    policy = load(organisation=None, opened=("@acme/*",), overlay='[private]\nnames = ["zebra"]\n')
    assert policy.private_names == ("zebra",)
    assert policy.assumed


def test_the_overlay_over_a_repository_s_own_policy() -> None:
    policy = load(ORG, organisation=None, overlay=OVERLAY)
    assert policy.tables.open.packages == ("@acme/*",)
    assert "zebra" in " ".join(policy.private_names)


# -- the digest --------------------------------------------------------------------------------


def test_the_digest_follows_what_is_said_and_nothing_else() -> None:
    base = load(organisation=ORG).digest
    assert base == load(organisation="# a comment\n" + ORG, identity=None).digest
    assert base == load(ORG, organisation=None).digest
    others = {
        load(organisation=ORG + '[private]\nnames = ["zebra"]\n').digest,
        load(overlay="").digest,
        load(overlay='[private]\nnames = ["zebra"]\n').digest,
        load('mode = "enforce"\n[rules]\nunused-core = "error"\n').digest,
    }
    assert len(others | {base}) == 5
    one = ORG + '[rules]\nunused-core = "off"\ndeep-import = "error"\n'
    other = ORG + '[rules]\ndeep-import = "error"\nunused-core = "off"\n'
    assert load(organisation=one).digest == load(organisation=other).digest
