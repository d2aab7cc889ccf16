"""What maintainers are told by mail: a release, a yank, a change of rights or of keys, a stranger's attempt.

Pure text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from release_service.errors import Refused, shown
from release_service.identity import Uploader


@dataclass(frozen=True, slots=True)
class Letter:
    """A subject of one line, and a body of short lines."""

    subject: str
    body: str


def who(uploader: Uploader) -> str:
    """Return how *uploader* is called in a letter: what was proven, not only the name."""
    where = uploader.provenance.get("project_path")
    job = f", job {uploader.provenance.get('job_id')} of {where} for {uploader.provenance.get('ref')}" if where else ""
    name = f"{uploader.login or uploader.subject} ({uploader.kind}, {uploader.subject}{job})"
    return shown(name, 400)


def published(tarball: str, sha256: str, url: str, by: Uploader) -> Letter:
    """Tell of a release: nothing is published without its maintainers hearing of it."""
    return Letter(
        f"{tarball} was published",
        f"{tarball} was published.\n\n  {url}\n  sha256 {sha256}\n\nSent by {who(by)}.\n\n"
        "If this was not you or your CI, tell the release team at once: a published\n"
        "tarball can be yanked, and its project blocked.\n",
    )


def signed(tarball: str, fingerprint: str, url: str, by: Uploader | None) -> Letter:
    """Tell of a signature that was added to a release, *by* nobody if what was interrupted is finished."""
    sent = f"Sent by {who(by)}." if by else "Its sending was interrupted, and is finished now."
    return Letter(
        f"{tarball} was signed",
        f"{tarball} was signed.\n\n  {url}\n  key {spaced(fingerprint)}\n\n{sent}\n\n"
        "If this was not one of you, tell the release team at once.\n",
    )


def withdrawn(release: str, what: str, reason: str, by: Uploader) -> Letter:
    """Tell that a release was yanked or quarantined, or that a yank was undone: *what*, and why."""
    done, effect = _WITHDRAWN[what]
    return Letter(
        f"{release} {done}",
        f"{release} {done}:\n\n  {shown(reason, 2000)}\n\n{effect}\n\nBy {who(by)}.\n\n"
        "If you do not know why, tell the release team.\n",
    )


_WITHDRAWN = {
    "yank": (
        "was yanked",
        "No program is offered this version any more; its files are still there.",
    ),
    "unyank": ("is no longer yanked", "Programs are offered this version again."),
    "quarantine": (
        "was quarantined",
        "Its files cannot be downloaded any more, and its version number is never used again.",
    ),
}


def changed(module: str, what: Sequence[str], by: Uploader) -> Letter:
    """Tell of changes of rights, a sentence each in *what*."""
    lines = "".join(f"  {shown(sentence, 500)}\n" for sentence in what)
    return Letter(
        f"{module}: {shown(what[0], 120)}",
        f"Who may publish {module}, or how, has changed:\n\n{lines}\nChanged by {who(by)}.\n\n"
        "If you do not know why, tell the release team.\n",
    )


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What became (`what`: added, revoked...) of whose key, and for which `modules` it can sign."""

    what: str
    fingerprint: str
    user_id: str
    owner: str
    modules: Sequence[str]


def key_changed(change: KeyChange, may_sign_from: str, by: Uploader) -> Letter:
    """Tell of a change of a signing key: what its owner has not done, somebody else must notice in time."""
    owner, fingerprint = shown(change.owner, 60), spaced(change.fingerprint)
    waits = ""
    if change.what == "added":
        waits = (
            f"It may sign from {may_sign_from} on.  If you know that it is {owner}'s, having compared the\n"
            f"fingerprint with them, you may let it sign at once:\n\n"
            f"  gnome-release keys consent {change.fingerprint}\n\n"
        )
    return Letter(
        f"The signing key of {owner} was {change.what}",
        f"A key that signs releases of {', '.join(change.modules) or 'no module yet'} was {change.what}:\n\n"
        f"  {fingerprint}\n  {shown(change.user_id, 200)}\n\nOwner: {owner}.  By {who(by)}.\n\n{waits}"
        "If you do not know why, tell the release team.\n",
    )


def key_expires(fingerprint: str, user_id: str, day: str) -> Letter:
    """Warn the owner of a key."""
    return Letter(
        f"Your signing key expires on {day}",
        f"This key can sign no release after {day}:\n\n  {spaced(fingerprint)}\n  {shown(user_id, 200)}\n\n"
        "Extend it, and register it again:\n\n"
        f"  gpg --quick-set-expire {fingerprint} 2y\n  gpg --quick-set-expire {fingerprint} 2y '*'\n"
        f"  gnome-release keys add {fingerprint}\n",
    )


def spaced(fingerprint: str) -> str:
    """Return a fingerprint as people compare it: in groups of four."""
    return " ".join(fingerprint[at : at + 4] for at in range(0, len(fingerprint), 4))


def refused(module: str, refusal: Refused, by: Uploader) -> Letter:
    """Tell of an attempt by somebody who has no right to the module."""
    return Letter(
        f"{module}: an upload by a stranger was refused",
        f"{who(by)}\ntried to publish {module}, and was refused:\n\n  {refusal.title} ({refusal.code})\n"
        f"  {refusal.detail}\n\nNothing was published.  You are told of the first attempt in an hour only;\n"
        "all of them are in the audit.\n",
    )
