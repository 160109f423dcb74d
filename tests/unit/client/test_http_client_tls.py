"""The client sends nothing to a server without a trusted certificate."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from urllib3 import PoolManager

from paynearme.errors import RequestNotAcceptedError, ServiceError, UpstreamError
from paynearme.platform.deadline import Deadline
from tests.support.client_stubs import call, new_client
from tests.support.message_fixtures import resolved_site
from tests.support.paynearme_server_stub import MAX_SECONDS, PayNearMeServer, replying

pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("real_connections")]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return the path of a self-signed certificate for 127.0.0.1 with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    self_signed = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private_key = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(private_key + self_signed.public_bytes(serialization.Encoding.PEM))
    return path


def call_server(certificate: Path, operation: str, http: PoolManager | None = None) -> int:
    """Call a server with the certificate. Return the number of requests that it received."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    # Otherwise, the end of the server waits for the client.
    paynearme = PayNearMeServer(replying(200, b"", Connection="close"))
    kind = RequestNotAcceptedError if http is None else UpstreamError
    with pytest.raises(ServiceError) as exc_info:
        paynearme.call(
            lambda _, url: call(
                new_client(http, base_url=url), operation, resolved_site(), Deadline.after(MAX_SECONDS)
            ),
            tls,
        )
    assert type(exc_info.value) is kind
    return len(paynearme.received)


@pytest.mark.parametrize("operation", ["make_payment", "create_order"])
def test_untrusted_certificate_sends_nothing(certificate: Path, operation: str) -> None:
    assert call_server(certificate, operation) == 0


def test_trusted_certificate_sends_request(certificate: Path) -> None:
    with PoolManager(ca_certs=str(certificate)) as http:
        assert call_server(certificate, "create_order", http) == 1
