"""Sends what `db.mails` has promised.  A mail that was sent twice has the same Message-ID twice."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Self
from urllib.parse import unquote, urlsplit

import structlog
from pydantic import SecretStr

from release_service.db import mails
from release_service.db.tables import Mail, Person
from release_service.publish import Service

log = structlog.get_logger()

_TIMEOUT_S = 20
_MOST_AT_ONCE = 50
# What says nothing about the next mail.
_OF_ONE_MAIL = (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused, ValueError)
_PORTS = {"smtp": 25, "smtps": 465}
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in, and from whom it comes.  Without TLS only on a loopback address."""

    host: str
    port: int
    is_smtps: bool
    user: str
    password: SecretStr
    sender: str

    @classmethod
    def of(cls, url: SecretStr, sender: str) -> Self:
        """Return the server of *url*, smtp://[USER:PASSWORD@]HOST[:PORT] or smtps://."""
        parts = urlsplit(url.get_secret_value())
        return cls(
            host=parts.hostname or "",
            port=parts.port or _PORTS[parts.scheme],
            is_smtps=parts.scheme == "smtps",
            user=unquote(parts.username or ""),
            password=SecretStr(unquote(parts.password or "")),
            sender=sender,
        )


def send_due(service: Service, server: MailServer, trust: ssl.SSLContext | None = None) -> int:
    """Send what is due, at most fifty mails; what the server does not take now is put off.  Return how many were sent.

    A server that does not answer at all is not asked again in the same round: other work is waiting.
    *trust* replaces the system's certificate authorities.
    """
    sent = 0
    for _ in range(_MOST_AT_ONCE):
        with service.transactions.begin() as session:
            due = mails.take_due(session, service.now())
        if due is None:
            break
        mail, person = due
        try:
            with _connected(server, trust or ssl.create_default_context()) as smtp:
                smtp.send_message(_message(mail, person, server.sender))
        except (OSError, ValueError, smtplib.SMTPException) as failure:  # ValueError: an address that is none
            # The failure's own words may hold the address.
            log.warning("mail_put_off", mail=mail.id, tries=mail.tries, failure=type(failure).__name__)
            with service.transactions.begin() as session:
                mails.put_off(session, mail.id, service.now())
            if not isinstance(failure, _OF_ONE_MAIL):
                break
        else:
            with service.transactions.begin() as session:
                mails.sent(session, mail.id, service.now())
            sent += 1
    return sent


@contextmanager
def _connected(server: MailServer, trust: ssl.SSLContext) -> Iterator[smtplib.SMTP]:
    smtp: smtplib.SMTP
    if server.is_smtps:
        smtp = smtplib.SMTP_SSL(server.host, server.port, timeout=_TIMEOUT_S, context=trust)
    else:
        smtp = smtplib.SMTP(server.host, server.port, timeout=_TIMEOUT_S)
    with smtp:
        smtp.ehlo()
        # On loopback not even if it is offered: nobody's certificate is for 127.0.0.1, and nobody else listens there.
        if not server.is_smtps and server.host not in _LOOPBACK:
            smtp.starttls(context=trust)
        if server.user:
            smtp.login(server.user, server.password.get_secret_value())
        yield smtp


def _message(mail: Mail, person: Person, sender: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = f"GNOME Release Service <{sender}>"
    message["To"] = person.email
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(mail.promised_at)
    message["Message-ID"] = f"<{mail.message_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.body)
    return message
