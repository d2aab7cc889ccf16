"""Who may sign for a module, and when: what this instance asks of keys and signatures."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class SigningRules:
    """A new key waits for `cooling` before it may sign, unless another maintainer consents."""

    cooling: timedelta = timedelta(hours=72)
