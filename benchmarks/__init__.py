"""Measures what the service costs; `make bench` prints it."""

import sys
from pathlib import Path

# The tests start the same real components.
sys.path.append(str(Path(__file__).parent.parent / "tests"))
