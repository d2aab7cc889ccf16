"""A real mail server on loopback that keeps what it takes, and the certificate of a CA made for the moment."""

import ipaddress
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import components

TAKEN = "250 OK"


@dataclass
class Mailbox:
    """What was taken, in order; each of *answers* is given once, instead of taking a mail."""

    answers: list[str] = field(default_factory=list)
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    seen_ids: list[str] = field(default_factory=list)
    were_encrypted: list[bool] = field(default_factory=list)
    logins: list[bytes] = field(default_factory=list)
    port: int = 0

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        content = envelope.original_content or b""
        self.seen_ids.append(str(message_from_bytes(content)["Message-ID"]))
        self.were_encrypted.append(session.ssl is not None)
        if self.answers:
            return self.answers.pop(0)
        self.taken += [(to, content) for to in envelope.rcpt_tos]
        return TAKEN

    def authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins += [data.login, data.password]
        return AuthResult(success=data.password == b"p@ss")

    @property
    def mails(self) -> list[tuple[str, EmailMessage]]:
        """Recipient and mail."""
        return [(to, message_from_bytes(content, policy=policy.default)) for to, content in self.taken]


@contextmanager
def mail_server(mailbox: Mailbox, host: str = "127.0.0.1", **options: Any) -> Iterator[str]:
    """Take mail on *host*, on the port that *mailbox* had before; yield host:port."""
    mailbox.port = mailbox.port or components.free_port()
    controller = Controller(mailbox, hostname=host, port=mailbox.port, **options)
    controller.start()
    try:
        yield f"{host}:{mailbox.port}"
    finally:
        controller.stop()


def certified(home: Path, host: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the context of a server on *host*, and one that trusts the CA which has certified it."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = _certificate("a CA for the moment", ca_key, "a CA for the moment", ca_key, is_ca=True, host=host)
    own = _certificate(host, key, "a CA for the moment", ca_key, is_ca=False, host=host)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (home / "server.pem").write_bytes(private + own.public_bytes(pem))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(home / "server.pem")
    return server, ssl.create_default_context(cadata=ca.public_bytes(pem).decode())


def _certificate(
    subject: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    is_ca: bool,
    host: str,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(_usage(is_ca=is_ca), critical=True)
    )
    if not is_ca:
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _usage(*, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
