"""What it is called, what arrives, what is in it, what is there already."""

from release_service.errors.base import Refused


class BadTarballName(Refused):
    """The file name does not say module, version and compression."""

    code = "bad_tarball_name"
    title = "The file's name is not accepted"
    remedy = "Name it <module>-<version>.tar.xz, for example gnome-shell-48.1.tar.xz or gtk-4.18.1.tar.xz."


class CompressionNotAccepted(Refused):
    """A tarball, but in a compression that is not enabled here."""

    code = "compression_not_accepted"
    title = "This compression is not accepted"
    remedy = "Make a .tar.xz (meson dist makes one) and upload that."


class CaseTwin(BadTarballName):
    """The name differs from a registered module in upper and lower case only."""

    code = "case_twin"
    title = "A module of this name in other letters exists"
    remedy = "Use the registered spelling."


class BadUpload(Refused):
    """The request's form is not the one that is documented."""

    code = "bad_upload"
    title = "The upload is not in the expected form"
    remedy = "Send exactly one file: curl -F tarball=@NAME.tar.xz, or PUT /api/v1/tarballs/NAME.tar.xz."


class UnsupportedMediaType(BadUpload):
    """POST without multipart/form-data."""

    code = "unsupported_media_type"
    title = "The request's content type is not accepted"


class SignatureRequired(BadUpload):
    """The module's policy demands a signature, and none came along."""

    code = "signature_required"
    title = "This module is published with a signature only"
    remedy = "Send it along (gnome-release upload --sign), or ask an administrator to loosen the policy."


class UploadCutOff(Refused):
    """The body ended early."""

    code = "upload_cut_off"
    title = "The upload ended before it was complete"
    remedy = "Send it again; nothing of it was kept."


class UploadTooSlow(Refused):
    """The body came slower than the minimum rate, or longer than the deadline."""

    code = "upload_too_slow"
    title = "The upload is too slow"
    remedy = "Send it again from a faster connection; nothing of it was kept."


class TooLarge(Refused):
    """The body, a header or a part is longer than its cap."""

    code = "too_large"
    title = "The upload is too large"
    remedy = "Make the tarball smaller, or ask the release team to raise the limit."


class DigestMismatch(Refused):
    """What arrived is not what the sender says to have sent."""

    code = "digest_mismatch"
    title = "The bytes that arrived have another SHA-256 than you said"
    remedy = "Send it again; if it happens twice, make the checksum of the file that you send."


class BadArchive(Refused):
    """The tarball breaks a rule; `rule` is its class, for example TOPDIR."""

    code = "bad_archive"
    title = "The tarball is refused"
    remedy = "Make the tarball with meson dist (or git archive), and upload that."

    def __init__(self, rule: str, detail: str) -> None:
        """Keep the class of the *rule*, upper case, beside the sentence that names the offender."""
        super().__init__(f"{detail} [{rule}]")
        self.rule = rule


class VersionTaken(Refused):
    """The version exists with other bytes."""

    code = "version_taken"
    title = "This version exists already, with other bytes"
    remedy = "A published version never changes: use a new version number."


class Quarantined(Refused):
    """An administrator has taken the release out of reach; its name and its bytes stay taken."""

    code = "quarantined"
    title = "This release is quarantined"
    remedy = "It cannot be brought back: make a new version; the release team can say more."


class DigestKnown(Refused):
    """These very bytes are a release already, under another name."""

    code = "digest_known"
    title = "These bytes are released already, under another name"
    remedy = "One file, one release: make the tarball of this version, with a top directory of its own, and send that."


class NotFound(Refused):
    """Nothing of this name is here."""

    code = "not_found"
    title = "There is nothing here"
    remedy = "Look at /sources/ for what is published."
