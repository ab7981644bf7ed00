"""The HTML page of an audit: one file, nothing from elsewhere, nothing of a repository obeyed, nothing private in public."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bot.audit_report import FleetFinding, NotAudited, PairView, RepositoryAudit, Use
from bot.facts.summary import Consumed, Member, RepoSummary
from bot.model import Location, NotChecked, NotRun, Place, RenderedEvidence, Severity
from tests.fleet_world import Organisation
from tests.html_audits import audit, big, changed, finding, mixed, page, page_of, repository
from tests.registry.loopback import LoopbackRegistry
from tests.world import ringfence

HOSTILE = (
    "</script><script>alert(1)</script>'\"><img src=x onerror=alert(1)>{{ 7*7 }}{% raw %}&lt;\x1b[31m\u202e\udc80"
    "<!--]]></style></title></svg></td></table><a href='javascript:alert(1)' style='x'>\n`<b>x</b>`"
)

_TAGS = """
    a article b body br button circle code datalist defs desc details div fieldset footer form g h1 h2 h3 head header html input
    label legend li link main mark meta nav option output p path pre rect script section select span strong style summary svg
    symbol table tbody td text th thead time title tr ul use
"""
_ATTRIBUTES = """
    aria-controls aria-expanded aria-hidden aria-label aria-live autocomplete charset class content cx cy d data-kind data-label
    fill height hidden href http-equiv id lang list name placeholder preserveaspectratio r rel role rx scope stroke
    stroke-dasharray stroke-linecap stroke-width type value viewbox width x y
"""


class _Seen(HTMLParser):
    """Tags, attributes and text of a page as a parser sees them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.blocks: dict[str, str] = {}
        self._open = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._open = tag

    def handle_data(self, data: str) -> None:
        if self._open in ("script", "style") and data.strip():
            self.blocks[self._open] = self.blocks.get(self._open, "") + data
            self._open = ""
        else:
            self.text.append(data)


def hostile() -> str:
    """A page in which everything that a repository can write is hostile."""
    bad = HOSTILE
    found = finding(
        rule=bad, package=bad, message=bad, remedy=bad, source=bad, fingerprint=bad, subject=bad,
        location=Location(path=bad, line=1, column=3, end_line=1, end_column=9),
        evidence=(RenderedEvidence(kind="lock", text=bad),),
    )  # fmt: skip
    problem = NotChecked(reason=bad, subject=bad, detail=bad, remedy=bad, rule=bad, path=bad, line=1)
    row = repository(
        bad, "private", found, finding(waived=bad, message=bad), uses={bad: (bad, bad + "2")}, not_checked=(problem,)
    )
    home = repository(bad + "home", "open", holds=(bad,))
    pairs = (PairView(stem=bad, packages=(bad, "@a/b"), version=bad, open=(bad + "home",), private=(bad,),
                      uses=(Use(repository=bad, package=bad, versions=(bad,)),)),)  # fmt: skip
    made = audit(
        [row, home],
        version=bad, pairs=pairs, fleet=(FleetFinding(repository=bad, finding=found), FleetFinding(repository="", finding=found)),
        not_audited=(NotAudited(label=bad, reason=bad, detail=bad, remedy=bad, shard=bad),),
        notes=(bad,), assumed=(bad,), not_checked=(problem,), allowed=(problem,), not_run=(NotRun(rule=bad, reason=bad),),
    )  # fmt: skip
    return page(made)


@pytest.mark.parametrize("made", [page(mixed()), hostile(), page(audit([]))], ids=["mixed", "hostile", "empty"])
def test_the_page_holds_our_elements_and_nothing_from_elsewhere(made: str) -> None:
    seen = _Seen(made)
    assert set(seen.tags) <= set(_TAGS.split())
    assert {name for _, name, _ in seen.attributes} <= set(_ATTRIBUTES.split())
    assert seen.tags.count("script") == seen.tags.count("style") == 1
    for _, name, value in seen.attributes:
        if name == "href":
            assert value.startswith(("#", "data:image/svg+xml,")), value
    assert made.isprintable() or set(made) - {"\n"} <= {c for c in made if c.isprintable()}
    made.encode()  # no half of a pair is left


def test_the_policy_of_the_page_names_its_style_and_its_script() -> None:
    seen = _Seen(page(mixed()))
    policy = next(value for _, name, value in seen.attributes if name == "content" and "default-src" in value)
    assert policy.startswith("default-src 'none'; ")
    for what, text in seen.blocks.items():
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{what}-src 'sha256-{digest}'" in policy
    assert set(seen.blocks) == {"style", "script"}
    assert "unsafe" not in policy
    # What it says must come before what it speaks of.
    assert seen.tags.index("meta") < seen.tags.index("style") < seen.tags.index("script")


def test_what_repositories_wrote_is_shown_as_it_is() -> None:
    shown = "".join(_Seen(hostile()).text)
    assert "</script><script>alert(1)</script>" in shown
    assert "{{ 7*7 }}{% raw %}&lt;" in shown
    assert "\\x1b[31m\\u202e\\udc80" in shown


def test_everything_of_an_audit_is_told() -> None:
    made = page(mixed())
    shown = " ".join("".join(_Seen(made).text).split())
    for words in (
        "acme/platform-core", "0.9.0", "2 side doors", "core not used", "it is gone", "Fetch it.", "malformed", "Write it again.",
        "Waived: until the move is done", "across repositories", "one folder without git", "the lock gives @acme/core@1.0.0",
        "does not export ./src/parse1.js", "take the missing export", "21 candidate imports", "2026-11-28 04:00 UTC",
        "A specifier whose subpath the pinned version does not export.",
    ):  # fmt: skip
        assert words in shown, words
    # Errors before warnings before notes before what is waived.
    rows = re.findall(r'<tr class="([ewnx]) [opu]"><td><span class="sev', made)
    assert rows == sorted(rows, key="ewnx".index)
    assert len(rows) == 6


def test_a_side_door_is_what_its_rule_calls_an_error() -> None:
    def seen(severity: Severity) -> list[str]:
        found = finding("path-escape", severity=severity)
        made = page(audit([repository("acme/web", "private", found, uses={"@acme/core": ("1.0.0",)})]))
        return re.findall(r'class="badge"[^>]*>([^<]+)<', made)

    assert seen(Severity.ERROR) == ["1 side door"]
    assert seen(Severity.WARNING) == ["1 finding"]


def test_long_lines_are_cut_around_their_place() -> None:
    line = "x" * 5000 + '"@acme/core/src/a.js"' + "y" * 5000
    place = Location(path="min.js", line=1, column=5001, end_line=1, end_column=5022)
    made = page(audit([repository("acme/web", "private", finding(source=line, location=place))]))
    found = re.search(r"<pre>(.*?)</pre>", made)
    assert found is not None
    assert "<mark>&#34;@acme/core/src/a.js&#34;</mark>" in found[1]
    assert len(found[1]) < 300


def test_what_is_too_much_is_counted() -> None:
    rows = [repository(f"acme/web-{n}", "private", *(finding(number=i) for i in range(1100))) for n in range(10)]
    made = page(audit(rows))
    assert made.count('<tr class="e p"><td><span class="sev') == 10_000
    assert "1,000 more are not shown here" in made
    assert "the lock gives" not in made  # evidence is left to `ringfence explain`, which needs the fingerprint
    assert "000000000000044b" in made


def test_a_thousand_repositories_are_small_and_quick() -> None:
    made = big()
    assert len(made.repositories) == 1000
    assert sum(len(row.report.findings) for row in made.repositories if row.report is not None) == 5000
    before = time.process_time()
    text = page(made)
    assert time.process_time() - before < 8  # a second and a half where nothing else runs
    assert len(text.encode()) < 5_000_000
    assert text.count('<article class="card') == 60
    assert "pictures" in text
    assert "440 more, as a table" in text


# -- the public form -----------------------------------------------------------------------------

SECRETS = ("Zephyr", "@acme-secret/vault", "acme/platform-hush", "platform-hush")


@pytest.fixture
def acme(tmp_path: Path, registry: LoopbackRegistry) -> Organisation:
    organisation = Organisation(tmp_path, registry)
    organisation.pair("core")
    organisation.product("hush", "@acme/core", {"src/deep.js": 'import "@acme/core/src/zephyr.js"\n'})
    organisation.repository(
        "open-tools",
        "acme/tools",
        {
            "package.json": {
                "name": "@acme/tools",
                "version": "1.0.0",
                "description": "for project ZEPHYR",
                "dependencies": {"@acme-secret/vault": "1.0.0", "@acme/core": "file:../zephyr/open-core"},
            },
            "src/a.js": 'import "@acme-secret/vault"\nimport "../../platform-hush/src/Zephyr.js"\n',
        },
    )
    overlay = tmp_path / "overlay.toml"
    overlay.write_text('[private]\nnames = ["zephyr"]\npackages = ["@acme-secret/*"]\n')
    return organisation


def test_a_public_page_holds_no_private_name(acme: Organisation, tmp_path: Path) -> None:
    arguments = ("audit", acme.folder, "--policy", acme.policy, "--overlay", tmp_path / "overlay.toml")
    full = ringfence(*arguments, "--private", "--format", "html")
    public = ringfence(*arguments, "--public", "--format", "html")
    assert (full.code, public.code) == (1, 1), (full.err, public.err)
    for secret in ("zephyr", "@acme-secret/vault", "platform-hush", "platform-core"):
        assert secret in full.out.lower(), secret  # the test would see it
        assert secret not in public.out.lower(), secret
    assert "private repository 1" in public.out
    assert "public form" in public.out
    assert "[private]" in public.out
    # As the JSON does: what that leaves out the page does not have either.
    report = json.loads(ringfence(*arguments, "--public", "--json").out)
    assert {r["label"] for r in report["repositories"]} == set(
        re.findall(r'class="l"[^>]*>([^<]+)<', _table(public.out))
    )


def _table(text: str) -> str:
    found = re.search(r'data-kind="repositories">(.*?)</table>', text, re.DOTALL)
    assert found is not None
    return found[1]


def test_hidden_repositories_have_totals_and_no_links() -> None:
    hidden = RepositoryAudit(
        label="private repository 1",
        verdict="fail",
        mode="enforce",
        hidden=True,
        summary=repository("x", "private", finding()).summary,
        rules={"deep-import": 1},
    )
    made = changed(mixed(), public=True)
    text = page_of(made, [*made.repositories, hidden])
    row = next(row for row in _table(text).split("<tr") if "private repository 1" in row)
    assert "<a" not in row
    assert "deep-import <b>1</b>" in row


# -- the command ---------------------------------------------------------------------------------


def test_the_command_writes_one_file(acme: Organisation, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    done = ringfence("audit", acme.folder, "--policy", acme.policy, "--format", "html", "-o", target)
    assert (done.code, done.out) == (1, "")
    assert f"report written to {target}" in done.err
    text = target.read_text()
    assert text.lstrip().startswith("<!doctype html>")
    assert text.rstrip().endswith("</html>")
    assert "platform-hush" in text


def test_the_template_engine_is_loaded_where_it_is_used(acme: Organisation) -> None:
    code = "import sys; from bot.cli import run; run(sys.argv[1:]); print('jinja2' in sys.modules, file=sys.stderr)"

    def loaded(format_: str) -> str:
        done = subprocess.run(
            [sys.executable, "-P", "-c", code, "audit", acme.folder, "--policy", acme.policy, "--format", format_],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stderr.split()[-1]

    assert [loaded(format_) for format_ in ("terminal", "json", "markdown", "html")] == [
        "False",
        "False",
        "False",
        "True",
    ]


def test_a_repository_that_says_nothing_of_itself() -> None:
    row = RepositoryAudit(label="x", verdict="pass", mode="observe", summary=repository("y").summary)
    bare = RepositoryAudit(
        label="z", verdict="pass", mode="enforce", summary=row.summary,
        facts=RepoSummary(label="z", members=(Member(name="@a/b", path="package.json", side="open"),),
                          consumes=(Consumed(package="@a/c", members=1, place=Place("package.json")),)),
    )  # fmt: skip
    text = page(audit([row, bare]))
    assert "no version" in text
    assert "observed" in text
