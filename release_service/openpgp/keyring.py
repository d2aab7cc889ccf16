"""Keyrings: what gpgv verifies with, and what is published so that anybody can."""

from collections.abc import Iterable

from release_service.openpgp import Certificate, armour


def binary(certificates: Iterable[Certificate]) -> bytes:
    """Return the keyring of *certificates*, as gpgv reads it."""
    return b"".join(certificate.packets for certificate in certificates)


def armoured(certificates: Iterable[Certificate]) -> str:
    """Return the keyring of *certificates* in armour; `gpg --dearmor` makes of it what gpgv reads.  "" for none."""
    packets = binary(certificates)
    return armour.write(packets, armour.PUBLIC_KEY) if packets else ""
