"""A person who was proven at sign-in, as a web session remembers them.

Only what a proof has said comes into a session, and only the session's holder gets it out again.
Neither token nor mail address is kept: a session proves nothing to anybody else.
"""

from typing import Any

from release_service.identity.sso import Person


def content_of(person: Person) -> dict[str, Any]:
    """Return what a session keeps of *person*."""
    return {
        "issuer": person.issuer,
        "subject": person.subject,
        "login": person.login,
        "groups": sorted(person.groups),
    }


def person_of(content: dict[str, Any]) -> Person:
    """Return the person whom `content_of` has made *content* of."""
    return Person(
        kind="sso",
        issuer=content["issuer"],
        subject=content["subject"],
        login=content["login"],
        token_id="",
        provenance={"login": content["login"]},
        groups=frozenset(content["groups"]),
        email="",
    )
