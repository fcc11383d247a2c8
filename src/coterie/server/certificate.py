"""The hub's TLS side: version 1.3 only, with a self-signed certificate made at first start or one given.

Links pin the service key, not the certificate, so it may change at any start. What the handshake binds is the SHA-256
of its public key (SubjectPublicKeyInfo, DER).
"""

import datetime
import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from coterie.errors import CallerError
from coterie.server.folder import write_durably

_LIFE = datetime.timedelta(days=365 * 50)
_NAME = "coterie"


class BadCertificate(CallerError):
    code = "bad_certificate"


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """PEM files, and the hash that both signatures of the handshake cover."""

    certificate: Path
    key: Path
    spki_hash: bytes


def certificate_to_serve(certificate: Path | None, key: Path | None, folder: Path) -> ServerCertificate:
    """The one given, else the one in `folder`. Raises BadCertificate, CallerError."""
    if certificate is not None and key is not None:
        return given_certificate(certificate, key)
    if certificate is not None or key is not None:
        raise CallerError("--cert and --key belong together", "give both or neither")
    return own_certificate(folder, datetime.datetime.now(datetime.UTC))


def own_certificate(folder: Path, now: datetime.datetime) -> ServerCertificate:
    """The self-signed one in `folder`, made if missing: ECDSA P-256, no names of the host."""
    certificate, key = folder / "certificate.pem", folder / "certificate.key"
    if not (certificate.exists() and key.exists()):
        private = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
        signed = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + _LIFE)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(_NAME)]), critical=False)
            .sign(private, hashes.SHA256())
        )
        write_durably(
            key,
            private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )
        write_durably(certificate, signed.public_bytes(serialization.Encoding.PEM))
    return given_certificate(certificate, key)


def given_certificate(certificate: Path, key: Path) -> ServerCertificate:
    """Raises BadCertificate."""
    try:
        public = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    except (OSError, ValueError) as error:
        raise BadCertificate(f"{certificate} holds no certificate: {error}", "give a PEM file, own first") from None
    spki = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return ServerCertificate(certificate, key, hashlib.sha256(spki).digest())


def tls_context(certificate: ServerCertificate) -> ssl.SSLContext:
    """Raises BadCertificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0  # a device proves itself each time; resumption would only cost memory
    try:
        context.load_cert_chain(certificate.certificate, certificate.key)
    except (OSError, ssl.SSLError) as error:
        raise BadCertificate(
            f"{certificate.key} does not fit {certificate.certificate}: {error}", "give both as PEM, without a password"
        ) from None
    return context
