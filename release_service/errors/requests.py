"""What else is asked: of the registry, by a browser."""

from release_service.errors.base import Refused


class BadChange(Refused):
    """A change of rights, or a question, that makes no sense as it is asked."""

    code = "bad_request"
    title = "The request does not make sense"
    remedy = "Look at the documentation of this route, or of the command, and send it again."


class SignInFailed(Refused):
    """The sign-in that the browser came back from cannot be used."""

    code = "sign_in_failed"
    title = "The sign-in did not work"
    remedy = "Sign in again from the start, in one window."


class FormExpired(Refused):
    """The form's CSRF token is missing, or another session's."""

    code = "form_expired"
    title = "The form is no longer good"
    remedy = "Load the page again, and send the form from there."


class DatabaseNotEmpty(Refused):
    """Only an empty database can be rebuilt from the bucket."""

    code = "database_not_empty"
    title = "The database is not empty"
    remedy = "What it lacks of the bucket, release-service reconcile --all --fix adopts."


class UploadsNotOff(Refused):
    """The database is about to be filled from the bucket, and somebody could publish meanwhile."""

    code = "uploads_not_off"
    title = "Uploads are not switched off"
    remedy = 'First: release-service switch off uploads --reason "The database is being restored."'
