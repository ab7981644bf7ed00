"""GitHub, on github.com and Enterprise Server. The sole importer of PyGithub.

`client` and `transport` import it when they are imported themselves, which costs a fifth of a second: import them inside the
function that needs them.
"""
