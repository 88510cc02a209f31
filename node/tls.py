"""TLS for DICOM in and out: PS3.15 B.9 and B.10, the BCP 195 profiles."""

from __future__ import annotations

import ssl
from pathlib import Path

from pipeline.core.errors import ConfigInvalid

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM"
"""For TLS 1.2: forward secrecy and authenticated encryption only (RFC 9325 4.2); TLS 1.3 has nothing weaker."""


def client_context(
    certificate: Path | None = None,
    key: Path | None = None,
    ca: Path | None = None,
    *,
    check_hostname: bool = True,
) -> ssl.SSLContext:
    """For associations and STOW-RS that we open. The peer's certificate is always verified.

    certificate, key: PEM; shown when the peer asks who we are. The key may be in the certificate's file.
    ca:               PEM; whom to trust. Without it, whom the operating system trusts.
    check_hostname:   False where a private CA signs certificates that do not carry the host's name or address.
    Raises ConfigInvalid for a file that cannot be used.
    """
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise _unusable(str(ca), error) from error
    context.check_hostname = check_hostname
    return _finish(context, certificate, key)


def server_context(certificate: Path, key: Path | None = None, ca: Path | None = None) -> ssl.SSLContext:
    """For associations that others open. With `ca`, only peers whose certificate it signed get in (mutual TLS).

    certificate, key: PEM; the key may be in the certificate's file. Raises ConfigInvalid for an unusable file.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if ca is not None:
        try:
            context.load_verify_locations(cafile=ca)
        except (OSError, ssl.SSLError) as error:
            raise _unusable(str(ca), error) from error
        context.verify_mode = ssl.CERT_REQUIRED
    return _finish(context, certificate, key)


def hardened(context: ssl.SSLContext) -> ssl.SSLContext:
    """The same, with the versions and ciphers that the profiles allow and no others."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    return context


def _finish(context: ssl.SSLContext, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    hardened(context)
    if certificate is not None:
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise _unusable(f"{certificate} with key {key or certificate}", error) from error
    return context


def _unusable(what: str, error: Exception) -> ConfigInvalid:
    return ConfigInvalid(f"cannot use {what} for TLS: {error}", "give PEM files that this user may read")
