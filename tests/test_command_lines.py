"""Every command line that we show (documents, help, rules' pages, workflows, scripts) is one that the program takes."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import ryaml

from bot.cli import ringfence

ROOT = Path(__file__).parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "bench/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "rules").glob("*/*/page.md")),
]
WORKFLOWS = sorted((ROOT / "examples" / "workflows").glob("*.yml"))
_END = set("();<>|&")
_SPAN = re.compile(r"`([^`]+)`")


def parsed(line: list[str]) -> click.Context:
    """Click's own reading of a command line, without running it. Raises `click.UsageError`."""
    command: click.Command = ringfence
    name, arguments = "ringfence", line
    context: click.Context | None = None
    while True:
        context = command.make_context(name, list(arguments), parent=context)
        if not isinstance(command, click.Group):
            return context
        found, following, arguments = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None
        assert following is not None
        name, command = found, following


def words(text: str) -> list[str]:
    """A command's arguments as a shell sees them, up to a comment, a pipe or a closing parenthesis."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found: list[str] = []
    for word in lexer:
        if set(word) <= _END:
            break
        found.append(word)
    return found


def of_pages() -> Iterator[tuple[str, str]]:
    for path in PAGES:
        text = path.read_text()
        for line in re.findall(r"^(?: {4}|\$ )ringfence (.+)$", text, re.MULTILINE):
            yield path.relative_to(ROOT).as_posix(), line
        for span in _SPAN.findall(re.sub(r"^ {4}.*$", "", text, flags=re.MULTILINE)):
            if span.startswith("ringfence ") and not span.endswith("..."):
                yield path.relative_to(ROOT).as_posix(), " ".join(span.split()).removeprefix("ringfence ")


def of_help(command: click.Command = ringfence, name: str = "ringfence") -> Iterator[tuple[str, str]]:
    for line in re.findall(r"^ +ringfence (.+)$", command.epilog or "", re.MULTILINE):
        yield f"{name} --help", re.split(r" {2,}", line)[0]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for verb in command.list_commands(context):
            found = command.get_command(context, verb)
            assert found is not None
            yield from of_help(found, f"{name} {verb}")


def of_workflows() -> Iterator[tuple[str, str]]:
    for path in WORKFLOWS:
        document: dict[str, Any] = ryaml.loads(path.read_text())
        for step in [step for job in document["jobs"].values() for step in job.get("steps", ())]:
            script = step.get("run", "")
            lines = re.findall(r'"\$RINGFENCE" (.+)$', script, re.MULTILINE)
            for line in lines:
                if '"$@"' not in line:
                    yield path.name, line
                    continue
                called = re.findall(r"^ *fleet (.+)$", script, re.MULTILINE)
                assert called, f"{path.name}: a function that nothing calls"
                yield from ((path.name, line.replace('"$@"', arguments)) for arguments in called)


def of_scripts() -> Iterator[tuple[str, str]]:
    yield "scripts/demo", (ROOT / "scripts/demo").read_text().rpartition(".venv/bin/ringfence ")[2].replace('"$@"', "")
    tree = ast.parse((ROOT / "scripts/live-smoke").read_text())
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.List)
            and node.elts
            and re.search(r"bin/ringfence|^program$", ast.unparse(node.elts[0]))
        ):
            said = [
                e.value if isinstance(e, ast.Constant) else "x" for e in node.elts[1:] if not isinstance(e, ast.Starred)
            ]
            yield "scripts/live-smoke", shlex.join(map(str, said))


SHOWN = {"pages": of_pages, "help": of_help, "workflows": of_workflows, "scripts": of_scripts}


@pytest.mark.parametrize(("kind", "least"), [("pages", 40), ("help", 25), ("workflows", 8), ("scripts", 3)])
def test_the_program_takes_what_we_show(kind: str, least: int) -> None:
    shown = list(SHOWN[kind]())
    assert len(shown) >= least, "something is looked for and no longer found"
    wrong = []
    for where, line in shown:
        try:
            parsed(words(line))
        except (click.exceptions.NoArgsIsHelpError, click.exceptions.Exit):
            continue  # a group, named in a sentence; --help
        except click.UsageError as error:
            if isinstance(error, click.MissingParameter) and re.fullmatch(r"[a-z]+( [a-z]+)?", line):
                continue  # a verb, named in a sentence
            wrong.append(f"{where}: ringfence {line}: {error.format_message()}")
    assert wrong == []


@pytest.mark.parametrize(
    "line",
    ["audit --orgs acme", "adit", "audit --format pdf", "audit merge", "audit plan --shards 0", "baseline grow", "check --rev"],
)  # fmt: skip
def test_it_would_see_one_that_is_wrong(line: str) -> None:
    with pytest.raises(click.UsageError):
        parsed(words(line))


def test_a_shell_line_is_cut_where_the_command_ends() -> None:
    assert words("""check --open '@acme/*'  # why""") == ["check", "--open", "@acme/*"]
    assert words('audit plan --org acme --shards 16)" >> "$GITHUB_OUTPUT"') == [
        "audit",
        "plan",
        "--org",
        "acme",
        "--shards",
        "16",
    ]
    assert words("audit ~/work || true") == ["audit", "~/work"]


def test_options_that_are_named_alone_exist() -> None:
    known = {"--help"}
    todo: list[click.Command] = [ringfence]
    while todo:
        command = todo.pop()
        known.update(option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts))
        if isinstance(command, click.Group):
            context = click.Context(command)
            todo += [found for name in command.list_commands(context) if (found := command.get_command(context, name))]
    named = {
        (path.relative_to(ROOT).as_posix(), span.split()[0].partition("=")[0])
        for path in PAGES
        if path.name in ("README.md", "audit.md", "action.md", "github.md", "policy.md") and path.parent.name != "bench"
        for span in _SPAN.findall(path.read_text())
        if span.startswith("--")
    }
    assert len(named) > 15
    assert {item for item in named if item[1] not in known} == set()


def test_what_the_workflows_give_the_action_are_its_inputs() -> None:
    inputs = set(ryaml.loads((ROOT / "action.yml").read_text())["inputs"])
    seen = 0
    for path in WORKFLOWS:
        for job in ryaml.loads(path.read_text())["jobs"].values():
            for step in job.get("steps", ()):
                if re.match(r"acme/ringfence@", step.get("uses", "")):
                    seen += 1
                    assert set(step.get("with", {})) <= inputs, path.name
    assert seen >= 3


@pytest.mark.parametrize("name", ["schedule.yml", "audit-sharded.yml"])
def test_the_audits_go_in_shards_with_a_merge_that_judges(name: str) -> None:
    lines = [parsed(words(line)) for where, line in of_workflows() if where == name]
    runs = [context.params for context in lines if context.info_name == "run"]
    merges = [context.params for context in lines if context.info_name == "merge"]
    assert [bool(run["shard"] and run["output"] and run["organisations"] == ("acme",)) for run in runs] == [True]
    assert [merge["format_"] for merge in merges] == ["html", "json", "markdown"]
    assert all(merge["policy"].name == "ringfence.toml" for merge in merges)
    assert not any(context.params.get("no_cache") for context in lines)
    # The last step of the script decides; without the cache there would be no trend.
    text = (ROOT / "examples" / "workflows" / name).read_text()
    merging = text.partition("- name: Judge the fleet")
    assert "RINGFENCE_CACHE: ${{ runner.temp }}/ringfence-cache" in merging[2].partition("run: |")[0]
    assert "actions/cache/save@" in merging[2]
