"""The cluster's own certificate authority; keeps keys in memory and writes nothing by itself."""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALIDITY = dt.timedelta(days=3650)  # a kept cluster must not expire under its user
CLOCK_SKEW = dt.timedelta(hours=1)


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """Signs what the programs of one cluster need to trust each other."""

    def __init__(self, name: str = "taskaction-local") -> None:
        """Make the authority's own key and self-signed certificate."""
        self._key = new_key()
        self._name = subject(name)
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        self._certificate = (
            self._builder(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def certificate(self) -> bytes:
        """The certificate that everybody trusts."""
        return to_pem(self._certificate)

    def server(self, name: str, addresses: Sequence[str]) -> KeyPair:
        """Issue a server certificate for names and IP addresses."""
        return self._issue(subject(name), ExtendedKeyUsageOID.SERVER_AUTH, addresses)

    def client(self, name: str, group: str | None = None) -> KeyPair:
        """Issue a client certificate; Kubernetes reads the user from the name and the group from the organisation."""
        return self._issue(subject(name, group), ExtendedKeyUsageOID.CLIENT_AUTH)

    def _issue(self, name: x509.Name, usage: x509.ObjectIdentifier, addresses: Sequence[str] = ()) -> KeyPair:
        key = new_key()
        builder = (
            self._builder(name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            # Python 3.13 refuses certificates that do not name their issuer's key.
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if addresses:
            names = x509.SubjectAlternativeName([general_name(address) for address in addresses])
            builder = builder.add_extension(names, critical=False)
        return KeyPair(to_pem(builder.sign(self._key, hashes.SHA256())), private_pem(key))

    def _builder(self, name: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - CLOCK_SKEW)
            .not_valid_after(now + VALIDITY)
        )


def signing_pair() -> KeyPair:
    """Make the key pair that signs service account tokens; its `certificate` is a bare public key."""
    key = new_key()
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return KeyPair(public, private_pem(key))


def new_key() -> ec.EllipticCurvePrivateKey:
    """Make a key; P-256, because RSA would cost seconds at every start."""
    return ec.generate_private_key(ec.SECP256R1())


def subject(name: str, group: str | None = None) -> x509.Name:
    """Return the X.509 form of a Kubernetes user and group."""
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if group is not None:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    return x509.Name(attributes)


def general_name(address: str) -> x509.GeneralName:
    """Distinguish an IP address from a host name."""
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def to_pem(certificate: x509.Certificate) -> bytes:
    """Return a certificate's PEM form."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key in the form that Go programs read."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
