"""``make bench``: every figure of the performance claims, measured here and now.

``python -m benchmarks [uploads] [memory] [growth] [audit]`` measures only those.
"""

import argparse
import os
import time

from benchmarks import audit, growth, memory, uploads
from benchmarks.places import places

_PARTS = {"uploads": uploads.measure, "memory": memory.measure, "growth": growth.measure, "audit": audit.measure}


def main() -> None:
    """Print the tables that the command line asks for, all if it names none."""
    arguments = argparse.ArgumentParser(description="Measures the service on real components, on this machine.")
    arguments.add_argument("parts", nargs="*", choices=[*_PARTS, []], metavar="|".join(_PARTS))
    asked = arguments.parse_args().parts or _PARTS
    began = time.monotonic()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} before the start.\n")
    with places() as both:
        for name in asked:
            _PARTS[name](both)
    print(f"Measured in {time.monotonic() - began:.0f} s; load {os.getloadavg()[0]:.1f} at the end.")


main()
