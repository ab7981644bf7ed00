"""The REST API: a handler an operation, by the description's own path templates."""

from __future__ import annotations

from tests.github_fake.rest import accounts, apps, gitdata, pulls, repos
from tests.github_fake.rest.route import ROUTES

__all__ = ["ROUTES", "accounts", "apps", "gitdata", "pulls", "repos"]
