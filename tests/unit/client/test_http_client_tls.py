"""The client sends nothing to a server without a trusted certificate."""

import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from urllib3 import PoolManager

from paynearme.client.access_token_cache import AccessTokens
from paynearme.client.paynearme_client import PayNearMeClient
from paynearme.errors import RequestNotAcceptedError, UpstreamError
from tests.support.client_stubs import ORDER_REQUEST, PAYMENT_REQUEST, SITE_PAYMENT_IDENTIFIER, StubTokens
from tests.support.message_fixtures import resolved_site
from tests.support.paynearme_server_stub import short_deadline

pytestmark = [pytest.mark.enable_socket, pytest.mark.usefixtures("socket_enabled")]


class UntrustedHandler(BaseHTTPRequestHandler):
    """Return an empty response to each request, and count the requests."""

    received = 0

    def do_POST(self) -> None:
        UntrustedHandler.received += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Write no log."""


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


@pytest.fixture
def untrusted_server(certificate: Path) -> Iterator[str]:
    """Yield the URL of a server with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    UntrustedHandler.received = 0
    with HTTPServer(("127.0.0.1", 0), UntrustedHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()


def new_client(url: str, http: PoolManager | None = None) -> PayNearMeClient:
    return PayNearMeClient(url, cast(AccessTokens, StubTokens()), http)


def test_payment_untrusted_certificate_sends_nothing(untrusted_server: str) -> None:
    with pytest.raises(RequestNotAcceptedError):
        new_client(untrusted_server).make_payment(
            resolved_site(), PAYMENT_REQUEST, SITE_PAYMENT_IDENTIFIER, short_deadline()
        )
    assert UntrustedHandler.received == 0


def test_order_untrusted_certificate_sends_nothing(untrusted_server: str) -> None:
    with pytest.raises(RequestNotAcceptedError):
        new_client(untrusted_server).create_order(resolved_site(), ORDER_REQUEST, short_deadline())
    assert UntrustedHandler.received == 0


def test_order_trusted_certificate_sends_request(untrusted_server: str, certificate: Path) -> None:
    with PoolManager(ca_certs=str(certificate)) as http, pytest.raises(UpstreamError):
        new_client(untrusted_server, http).create_order(resolved_site(), ORDER_REQUEST, short_deadline())
    assert UntrustedHandler.received == 1
