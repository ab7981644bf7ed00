"""Which folders are packages: the three roots are mapped in pyproject.toml, the rules' folders are found.

Static configuration would need a line for every rule; adding a rule must be one folder and one
line in rules/__init__.py.
"""

from setuptools import find_packages, setup

rules = ["bot.rules", *(f"bot.rules.{name}" for name in find_packages("rules"))]
setup(
    packages=[*find_packages(include=["bot", "bot.*"]), *rules, "bot.templates"],
    package_data={"bot": ["py.typed"], "bot.templates": ["*"]}
    | {name: ["*.md", "cases/*", "cases/**/*"] for name in rules},
)
