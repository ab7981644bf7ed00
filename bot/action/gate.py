"""What `gate-change` asks: which files of the gate a pull request changes, and who approves it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bot.action.objects import Credentials, Judged
from bot.errors import RingfenceError
from bot.event import Event
from bot.rule import Approval, AskApproval, AskChanged, AskWorkflows, Changed, ChangedFile, Key, Unknown
from bot.sources.gather import Gathered
from bot.sources.git import Objects, git
from bot.sources.open import POLICY_FILE

if TYPE_CHECKING:
    from bot.github.pulls import PullRequest

__all__ = ["Gate", "pull_request"]

_UNKNOWN = "approval-unknown"


class Gate:
    """Answers for one pull request; a question that is asked twice costs nothing the second time."""

    def __init__(self, event: Event, judged: Judged, gathered: Gathered, folder: str, credentials: Credentials) -> None:
        self._event = event
        self._judged = judged
        self._gathered = gathered
        self._folder = folder
        self._credentials = credentials
        self._approving: tuple[str, ...] | RingfenceError | None = None
        self._teams: dict[tuple[str, str], bool] = {}

    def answer(self, keys: Sequence[AskChanged | AskWorkflows | AskApproval]) -> Mapping[Key, object]:
        """What is known of each key."""
        return {key: self._approved(key) if isinstance(key, AskApproval) else self._changed(key) for key in keys}

    # -- what changes ----------------------------------------------------------------------------

    def _changed(self, key: AskChanged | AskWorkflows) -> Changed:
        before, after = self._judged.against, self._judged.commit
        if isinstance(key, AskWorkflows):
            there = {*self._listed("ls-tree", before), *self._listed("ls-tree", after)}
            paths = [path for path in sorted(there) if key.means(path)]
        else:
            changed = self._listed("diff-tree", "--no-renames", before, after)
            paths = [path for path in changed if key.means(path, self._folder)]
        objects = Objects(self._gathered.path)
        try:
            files = tuple(
                ChangedFile(path=path, before=self._before(objects, path), after=objects.read(f"{after}:{path}"))
                for path in paths
            )
        finally:
            objects.close()
        return Changed(files=files, folder=self._folder)

    def _listed(self, command: str, *arguments: str) -> list[str]:
        listed = git(self._gathered.path, command, "-r", "-z", "--name-only", *arguments)
        return [path for path in os.fsdecode(listed).split("\0") if path]

    def _before(self, objects: Objects, path: str) -> bytes | None:
        data = objects.read(f"{self._judged.against}:{path}")
        # Beside one that judges already, a policy that is new to this base is not the first.
        if data is None and self._judged.trusted and path == (f"{self._folder}/" if self._folder else "") + POLICY_FILE:
            return objects.read(f"{self._judged.trusted}:{path}")
        return data

    # -- who approves ----------------------------------------------------------------------------

    def _approved(self, key: AskApproval) -> Approval | Unknown:
        if self._approving is None:
            try:
                self._approving = self._read()
            except RingfenceError as error:
                self._approving = error
        if isinstance(self._approving, RingfenceError):
            return Unknown(reason=_UNKNOWN, detail=f"who approves is not known: {self._approving.what}")
        name = key.approver.removeprefix("@")
        try:
            for login in self._approving:
                if self._is_in(name, login) if "/" in name else login.lower() == name.lower():
                    return Approval(by=login)
        except RingfenceError as error:
            return Unknown(reason=_UNKNOWN, detail=f"who is in the team is not known: {error.what}")
        return Approval()

    def _read(self) -> tuple[str, ...]:
        from bot.github.pulls import Pull

        known = self._event.pull
        if known is None:
            raise RingfenceError("the merge queue does not say which pull request it is")
        pull = pull_request(self._event, self._credentials)
        now = Pull(author=known.author, head=known.head) if known.head else pull.read()
        return pull.approvers(now)

    def _is_in(self, team: str, login: str) -> bool:
        from bot.github.client import connect
        from bot.github.pulls import TEAM_PERMISSIONS, in_team

        if (team, login) not in self._teams:
            host = self._event.repository.host
            client = connect(
                host, environment=self._credentials.environment(app_first=True), permissions=TEAM_PERMISSIONS
            )
            self._teams[team, login] = in_team(client, team, login)
        return self._teams[team, login]


def pull_request(event: Event, credentials: Credentials, *, wait: float = 300.0) -> PullRequest:
    """The event's pull request on its host, asked and spoken to with the job's token where there is one; ``wait``: seconds
    that rate limits may take."""
    from bot.github.client import connect
    from bot.github.pulls import SPEAK_PERMISSIONS, PullRequest
    from bot.github.transport import Patience

    assert event.pull is not None  # noqa: S101  (its callers have looked)
    client = connect(
        event.repository.host,
        environment=credentials.environment(app_first=False),
        permissions=SPEAK_PERMISSIONS,
        patience=Patience(wait=wait),
    )
    return PullRequest(client, event.repository, event.pull.number)
