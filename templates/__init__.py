"""Templates, found by Jinja through the installed package."""
