"""What GitHub knows, and how a test builds it: accounts, repositories, pull requests, tokens."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.github_fake.bare import Bare, Content

__all__ = [
    "READ",
    "WRITE",
    "Account",
    "Actor",
    "App",
    "CheckRun",
    "Comment",
    "Installation",
    "Pull",
    "Repo",
    "Review",
    "Team",
    "World",
]

READ, WRITE = "read", "write"
_ROLES = ("none", "read", "triage", "write", "maintain", "admin")


@dataclass(kw_only=True)
class Account:
    """A user, an organisation or a bot."""

    id: int
    login: str
    kind: str = "User"
    members: dict[str, str] = field(default_factory=dict)  # an organisation's: login -> member or admin
    teams: dict[str, Team] = field(default_factory=dict)  # by slug


@dataclass(kw_only=True)
class Team:
    """An organisation's team. ``members`` are logins, ``repos`` full names in lower case with a role."""

    id: int
    org: str
    slug: str
    members: set[str] = field(default_factory=set)
    repos: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Comment:
    """A comment on an issue or pull request."""

    id: int
    author: Account
    body: str
    created: float
    updated: float


@dataclass(kw_only=True)
class Review:
    """A review; ``comments`` are rows as the REST API takes them (path, line, side, body)."""

    id: int
    author: Account
    state: str
    body: str
    commit: str
    submitted: float
    comments: list[dict[str, object]] = field(default_factory=list)


@dataclass(kw_only=True)
class CheckRun:
    """A check run on a commit."""

    id: int
    name: str
    commit: str
    status: str = "completed"
    conclusion: str | None = "success"
    app: str = "github-actions"


@dataclass(kw_only=True)
class Pull:
    """A pull request. ``head_repo`` None: the fork is gone."""

    id: int
    number: int
    title: str
    body: str | None
    author: Account
    base: str
    head: str
    head_repo: Repo | None
    state: str = "open"
    draft: bool = False
    merged: bool = False
    created: float = 0.0
    comments: list[Comment] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    merged_from: tuple[str, str] | None = None


@dataclass(kw_only=True, eq=False)
class Repo:
    """A repository; ``git`` is its bare repository on disk, real in every respect."""

    id: int
    owner: Account
    name: str
    git: Bare
    private: bool = False
    internal: bool = False
    archived: bool = False
    default_branch: str = "main"
    topics: list[str] = field(default_factory=list)
    description: str | None = None
    parent: Repo | None = None
    collaborators: dict[str, str] = field(default_factory=dict)
    pulls: dict[int, Pull] = field(default_factory=dict)
    checks: list[CheckRun] = field(default_factory=list)
    sarifs: list[dict[str, object]] = field(default_factory=list)
    created: float = 0.0

    @property
    def full_name(self) -> str:
        return f"{self.owner.login}/{self.name}"

    def commit(self, files: Mapping[str, Content], **how: object) -> str:
        """A commit on the default branch (or ``branch=``): see `Bare.commit`."""
        how.setdefault("branch", self.default_branch)
        return self.git.commit(files, **how)  # type: ignore[arg-type]

    def head(self, branch: str | None = None) -> str | None:
        """The commit at a branch's tip; None for one that is not there."""
        return self.git.ref(f"refs/heads/{branch or self.default_branch}")


@dataclass(kw_only=True)
class App:
    """A GitHub App; ``public_key`` (PEM) proves its JWTs."""

    id: int
    slug: str
    public_key: str
    bot: Account


@dataclass(kw_only=True)
class Installation:
    """An App in an account, with what it was granted. ``repos`` None: all of the account's."""

    id: int
    app: App
    account: Account
    permissions: dict[str, str]
    repos: frozenset[int] | None = None


@dataclass(kw_only=True)
class Actor:
    """Who asks. ``permissions`` None: a user's own token, that may do what the user may."""

    kind: str  # anonymous, user, job, installation, app
    account: Account | None = None
    permissions: dict[str, str] | None = None
    repos: frozenset[int] | None = None
    owner: Account | None = None  # of an installation
    app: App | None = None
    expires: float | None = None
    name: str = "anonymous"  # for the log: never the token

    @property
    def bucket(self) -> str:
        """Whose rate limit it is."""
        return self.name


class World:
    """Everything behind one GitHub host. Methods that build give the thing built."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self.clock = clock
        self.lock = threading.RLock()
        self.accounts: dict[str, Account] = {}
        self.repos: dict[int, Repo] = {}
        self.apps: dict[int, App] = {}
        self.installations: dict[int, Installation] = {}
        self.tokens: dict[str, Actor] = {}
        self._names: dict[tuple[str, str], int] = {}  # every name a repository has, or had
        self._ids = itertools.count(1001)

    # Building

    def user(self, login: str) -> Account:
        """A user, made when first named. A login that ends in ``[bot]`` is a bot's."""
        return self._account(login, "Bot" if login.endswith("[bot]") else "User")

    def organization(self, login: str, *, members: Iterable[str] = (), owners: Iterable[str] = ()) -> Account:
        """An organisation with its members."""
        account = self._account(login, "Organization")
        for role, logins in (("member", members), ("admin", owners)):
            account.members |= {self.user(each).login.lower(): role for each in logins}
        return account

    def team(self, org: str, slug: str, members: Iterable[str] = (), repos: Mapping[str, str] | None = None) -> Team:
        """A team of an organisation; its members become the organisation's. ``repos``: full name -> role."""
        account = self.accounts[org.lower()]
        team = Team(id=self.id(), org=account.login, slug=slug, repos={k.lower(): v for k, v in (repos or {}).items()})
        for each in members:
            team.members.add(self.user(each).login.lower())
            account.members.setdefault(each.lower(), "member")
        account.teams[slug] = team
        return team

    def repository(
        self,
        full_name: str,
        files: Mapping[str, Content] | None = None,
        *,
        private: bool = False,
        archived: bool = False,
        default_branch: str = "main",
        topics: Iterable[str] = (),
        parent: Repo | None = None,
        collaborators: Mapping[str, str] | None = None,
    ) -> Repo:
        """A repository of an account (a user is made where there is none). ``files`` None: it is empty, without a commit."""
        login, name = full_name.split("/")
        owner = self.accounts.get(login.lower()) or self.user(login)
        number = self.id()
        repo = Repo(
            id=number,
            owner=owner,
            name=name,
            git=Bare(self.folder / f"{number}.git", default_branch),
            private=private,
            archived=archived,
            default_branch=default_branch,
            topics=list(topics),
            parent=parent,
            collaborators={self.user(k).login.lower(): v for k, v in (collaborators or {}).items()},
            created=self.clock(),
        )
        if files is not None:
            repo.commit(files, message="First")
        self.repos[number] = repo
        self._names[(login.lower(), name.lower())] = number
        return repo

    def fork(self, repo: Repo, owner: str) -> Repo:
        """A user's fork, with all of the parent's branches."""
        fork = self.repository(
            f"{owner}/{repo.name}", private=repo.private, default_branch=repo.default_branch, parent=repo
        )
        fork.git.git("fetch", "--quiet", "--no-auto-gc", str(repo.git.path), "+refs/heads/*:refs/heads/*")
        return fork

    def rename(self, repo: Repo, full_name: str) -> None:
        """Move a repository; the old name redirects from now on."""
        login, name = full_name.split("/")
        repo.owner, repo.name = self.accounts.get(login.lower()) or self.user(login), name
        self._names[(login.lower(), name.lower())] = repo.id

    def delete(self, repo: Repo) -> None:
        """Take a repository away, with its names."""
        del self.repos[repo.id]
        self._names = {name: number for name, number in self._names.items() if number != repo.id}

    def pull(
        self,
        repo: Repo,
        head: str,
        *,
        base: str | None = None,
        head_repo: Repo | None = None,
        author: str = "contributor",
        title: str = "A change",
        body: str | None = None,
        draft: bool = False,
    ) -> Pull:
        """A pull request from a branch of this repository, or of a fork."""
        # Issues share the numbers; the fake has pull requests alone.
        number = max(repo.pulls, default=0) + 1
        pull = Pull(
            id=self.id(),
            number=number,
            title=title,
            body=body,
            author=self.user(author),
            base=base or repo.default_branch,
            head=head,
            head_repo=head_repo or repo,
            draft=draft,
            created=self.clock(),
        )
        repo.pulls[number] = pull
        self.refresh(repo, pull)
        return pull

    def comment(self, pull: Pull, author: str, body: str) -> Comment:
        """A comment on a pull request."""
        now = self.clock()
        comment = Comment(id=self.id(), author=self.user(author), body=body, created=now, updated=now)
        pull.comments.append(comment)
        return comment

    def review(
        self, repo: Repo, pull: Pull, author: str, state: str = "APPROVED", *, body: str = "", commit: str | None = None
    ) -> Review:
        """A review of the head as it is now, or of an earlier commit. ``state`` as the API says it, in capitals."""
        review = Review(
            id=self.id(),
            author=self.user(author),
            state=state,
            body=body,
            commit=commit or self.head_of(repo, pull) or "0" * 40,
            submitted=self.clock(),
        )
        pull.reviews.append(review)
        return review

    def check_run(self, repo: Repo, name: str, commit: str, conclusion: str | None = "success") -> CheckRun:
        """A check run; ``conclusion`` None: it has not ended."""
        status = "completed" if conclusion else "in_progress"
        run = CheckRun(id=self.id(), name=name, commit=commit, status=status, conclusion=conclusion)
        repo.checks.append(run)
        return run

    def app(self, slug: str, public_key: str) -> App:
        """A GitHub App, known by the key that proves its JWTs."""
        number = self.id()
        self.apps[number] = App(id=number, slug=slug, public_key=public_key, bot=self.user(f"{slug}[bot]"))
        return self.apps[number]

    def install(
        self, app: App, owner: str, permissions: Mapping[str, str], repos: Iterable[Repo] | None = None
    ) -> Installation:
        """Install an App in an account."""
        installation = Installation(
            id=self.id(),
            app=app,
            account=self.accounts[owner.lower()],
            permissions=dict(permissions),
            repos=None if repos is None else frozenset(repo.id for repo in repos),
        )
        self.installations[installation.id] = installation
        return installation

    # Tokens: made at run time, so that no file holds anything like one.

    def user_token(self, login: str) -> str:
        """A user's own token: it may do what the user may."""
        account = self.user(login)
        return self._token(Actor(kind="user", account=account, name=account.login))

    def job_token(self, repo: Repo, permissions: Mapping[str, str]) -> str:
        """A workflow's ``GITHUB_TOKEN`` in a repository, with its permissions: ``{"contents": "read", ...}``."""
        return self._token(
            Actor(
                kind="job",
                account=self.user("github-actions[bot]"),
                permissions={"metadata": READ, **permissions},
                repos=frozenset({repo.id}),
                owner=repo.owner,
                name=f"job of {repo.full_name}",
            )
        )

    def installation_token(
        self, installation: Installation, permissions: Mapping[str, str] | None = None, *, lifetime: float = 3600
    ) -> tuple[str, Actor]:
        """An installation's token, with what it was granted or less."""
        actor = Actor(
            kind="installation",
            account=installation.app.bot,
            permissions={"metadata": READ, **(installation.permissions if permissions is None else permissions)},
            repos=installation.repos,
            owner=installation.account,
            app=installation.app,
            expires=self.clock() + lifetime,
            name=f"installation {installation.id}",
        )
        return self._token(actor), actor

    # Asking

    def find(self, owner: str, name: str) -> tuple[Repo, bool] | None:
        """The repository of a name, and whether it has moved away from it."""
        number = self._names.get((owner.lower(), name.lower()))
        repo = self.repos.get(number or 0)
        if repo is None:
            return None
        return repo, (owner.lower(), name.lower()) != (repo.owner.login.lower(), repo.name.lower())

    def repos_of(self, owner: Account) -> list[Repo]:
        """An account's repositories, by age."""
        return [repo for repo in self.repos.values() if repo.owner is owner]

    def role(self, repo: Repo, account: Account | None) -> str:
        """What a person may do in a repository: none, read, triage, write, maintain, admin."""
        roles = {"none"}
        if not repo.private:
            roles.add("read")
        if account is not None:
            login = account.login.lower()
            if account is repo.owner or repo.owner.members.get(login) == "admin":
                return "admin"
            if login in repo.owner.members:
                roles.add("read")
            roles.add(repo.collaborators.get(login, "none"))
            roles |= {
                t.repos.get(repo.full_name.lower(), "none") for t in repo.owner.teams.values() if login in t.members
            }
        return max(roles, key=_ROLES.index)

    def may(self, actor: Actor, repo: Repo, area: str, level: str) -> bool:
        """Whether a token may read or write an area (``contents``, ``pull_requests``, ...) of a repository."""
        if actor.permissions is None:
            # Anybody who may read may comment and review; contents and checks want more.
            wanted = "read" if level == READ or area in ("issues", "pull_requests") else "write"
            return _ROLES.index(self.role(repo, actor.account)) >= _ROLES.index(wanted)
        inside = repo.owner is actor.owner and (actor.repos is None or repo.id in actor.repos)
        granted = actor.permissions.get(area) if inside else None
        if level == READ:
            return not repo.private or granted is not None
        return granted == WRITE

    def sees(self, actor: Actor, repo: Repo) -> bool:
        """Whether a repository exists at all for a token."""
        return self.may(actor, repo, "metadata", READ)

    def head_of(self, repo: Repo, pull: Pull) -> str | None:
        """The commit that a pull request asks to merge: the branch's tip, or the last known one where that is gone."""
        tip = pull.head_repo.head(pull.head) if pull.head_repo else None
        return tip if tip and pull.state == "open" else repo.git.ref(f"refs/pull/{pull.number}/head")

    def refresh(self, repo: Repo, pull: Pull) -> None:
        """Bring ``refs/pull/N/head`` and ``refs/pull/N/merge`` to where the branches are now."""
        head, base = self.head_of(repo, pull), repo.head(pull.base)
        if pull.state != "open" or head is None or base is None or pull.merged_from == (base, head):
            return
        if pull.head_repo is not None and pull.head_repo is not repo:
            repo.git.git("fetch", "--quiet", "--no-auto-gc", str(pull.head_repo.git.path), head)
        repo.git.set_ref(f"refs/pull/{pull.number}/head", head)
        merge = repo.git.merge(base, head, f"Merge {head} into {base}")
        if merge:
            repo.git.set_ref(f"refs/pull/{pull.number}/merge", merge)
        pull.merged_from = (base, head)

    def mergeable(self, repo: Repo, pull: Pull) -> bool | None:
        """Whether base and head merge as they are."""
        merge = repo.git.ref(f"refs/pull/{pull.number}/merge")
        if merge is None or pull.merged_from is None:
            return False
        return repo.git.git("rev-parse", f"{merge}^1", f"{merge}^2").decode().split() == list(pull.merged_from)

    # Inside

    def id(self) -> int:
        """A number that nothing else has."""
        return next(self._ids)

    def _account(self, login: str, kind: str) -> Account:
        known = self.accounts.get(login.lower())
        if known is None:
            known = self.accounts[login.lower()] = Account(id=self.id(), login=login, kind=kind)
        return known

    def _token(self, actor: Actor) -> str:
        token = f"fake-{secrets.token_hex(20)}"
        self.tokens[token] = actor
        return token
