"""What the readers raise.  `detached` and `certificate` turn it into a refusal in their own words."""


class Malformed(Exception):
    """The bytes break a rule: `rule` is its class, upper case; `detail` a sentence that names the offender."""

    def __init__(self, rule: str, detail: str) -> None:
        """Keep both."""
        super().__init__(detail)
        self.rule = rule
        self.detail = detail


class Weak(Malformed):
    """The form is good, and the algorithm can be broken."""

    def __init__(self, detail: str) -> None:
        """Keep the sentence."""
        super().__init__("WEAK", detail)
