"""What the readers raise.  `detached` and `certificate` turn it into a refusal in their own words."""


class Malformed(Exception):
    """The bytes break a rule: `rule` is its class, upper case; `detail` a sentence that names the offender."""

    def __init__(self, rule: str, detail: str, *, remedy: str | None = None) -> None:
        """Keep both, and the *remedy*, if it is another one than the refusal's."""
        super().__init__(detail)
        self.rule = rule
        self.detail = detail
        self.remedy = remedy


class Outdated(Malformed):
    """It was good once, or is of a time with other rules: beside what is good now it is left out."""


class Weak(Outdated):
    """The form is good, and the algorithm can be broken."""

    def __init__(self, detail: str) -> None:
        """Keep the sentence."""
        super().__init__("WEAK", detail)
