"""``make bench``: every figure of the performance claims, measured here and now.

``python -m benchmarks uploads memory growth audit verify repair import inspect signatures`` measures those that are
named.
"""

import argparse
import os
import time

from benchmarks import audit, growth, imports, inspections, memory, repair, signatures, uploads, verify
from benchmarks.places import places

_PARTS = {
    "uploads": uploads.measure,
    "memory": memory.measure,
    "growth": growth.measure,
    "audit": audit.measure,
    "verify": verify.measure,
    "repair": repair.measure,
    "import": imports.measure,
}
# What needs no service.
_ALONE = {"inspect": inspections.measure, "signatures": signatures.measure}


def main() -> None:
    """Print the tables that the command line asks for, all if it names none."""
    arguments = argparse.ArgumentParser(description="Measures the service on real components, on this machine.")
    arguments.add_argument("parts", nargs="*", choices=[*_PARTS, *_ALONE, []], metavar="|".join([*_PARTS, *_ALONE]))
    asked = arguments.parse_args().parts or [*_PARTS, *_ALONE]
    began = time.monotonic()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} before the start.\n")
    if _PARTS.keys() & asked:
        with places() as both:
            for name in [name for name in asked if name in _PARTS]:
                _PARTS[name](both)
    for name in [name for name in asked if name in _ALONE]:
        _ALONE[name]()
    print(f"Measured in {time.monotonic() - began:.0f} s; load {os.getloadavg()[0]:.1f} at the end.")


main()
