"""The crash harness, in process: the real code in a world whose every effect can fail (docs/decisions/0022)."""
