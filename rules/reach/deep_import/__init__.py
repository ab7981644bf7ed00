"""The rule `deep-import`."""
