"""A private certificate authority and the certificates of the servers, made once for a stack that runs with TLS."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from stack.directory import Directory, write_private

VALID_FOR = timedelta(days=365)


@dataclass(frozen=True)
class Certificate:
    """The files of a server: its certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """Signs the certificates of one stack. Its key is forgotten, so that nobody signs more."""

    def __init__(self, directory: Directory) -> None:
        self._folder = directory.path / "tls"

    @property
    def file(self) -> Path:
        """What clients check the servers with."""
        return self._folder / "ca.pem"

    def of(self, server: str) -> Certificate:
        """The files of a server."""
        return Certificate(self._folder / f"{server}.pem", self._folder / f"{server}.key")

    def issue(self, *servers: str) -> None:
        """Make the authority and the certificates, unless they are there."""
        if self.file.exists():
            return
        self._folder.mkdir(mode=0o700, exist_ok=True)
        key, name = _key(), _name("authority of a concert-seats stack")
        authority = _begun(name, name, key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        for server in servers:
            self._issue(server, name, key)
        signed = authority.add_extension(usage, critical=True).sign(key, hashes.SHA256())
        write_private(self.file, signed.public_bytes(Encoding.PEM).decode())

    def _issue(self, server: str, issuer: x509.Name, authority: ec.EllipticCurvePrivateKey) -> None:
        key, files = _key(), self.of(server)
        places = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        signed = (
            _begun(_name(server), issuer, key)
            .add_extension(x509.SubjectAlternativeName(places), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(authority, hashes.SHA256())
        )
        write_private(files.certificate, signed.public_bytes(Encoding.PEM).decode())
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(files.key, private.decode())


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _begun(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + VALID_FOR)
    )
