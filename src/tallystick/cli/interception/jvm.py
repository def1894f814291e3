"""What a JVM needs: it reads its proxy and its trust from properties, not from the environment."""

from __future__ import annotations

import contextlib
import warnings

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import (
    PKCS12Certificate,
    serialize_java_truststore,
)

# Every JVM appends these to its options, and says so in one line on standard error.
VARIABLE = "JAVA_TOOL_OPTIONS"
# The customary one: what is in a store of trusted certificates is public.
PASSWORD = "changeit"  # noqa: S105
DIRECT = "localhost|*.localhost|127.*|[::1]|0.0.0.0"


def trust_store(authority: bytes, trusted: bytes) -> bytes:
    """A PKCS 12 store of our authority and of those trusted before, both given as PEM."""
    found = x509.load_pem_x509_certificates(authority)
    with warnings.catch_warnings(), contextlib.suppress(ValueError):
        warnings.simplefilter("ignore")  # about old certificates, which are not ours to judge
        found += x509.load_pem_x509_certificates(trusted)  # or it is no PEM file: ours must do
    named = [PKCS12Certificate(each, str(number).encode()) for number, each in enumerate(found)]
    return serialize_java_truststore(named, BestAvailableEncryption(PASSWORD.encode()))


def options(store: str, proxy_port: int) -> str:
    """The options that lead a JVM to the proxy and have it trust the certificates in `store`."""
    properties = {
        "http.proxyHost": "127.0.0.1",
        "http.proxyPort": proxy_port,
        "https.proxyHost": "127.0.0.1",
        "https.proxyPort": proxy_port,
        "http.nonProxyHosts": DIRECT,
        "javax.net.ssl.trustStore": store,
        "javax.net.ssl.trustStoreType": "PKCS12",
        "javax.net.ssl.trustStorePassword": PASSWORD,
    }
    return " ".join(f"-D{name}={value}" for name, value in properties.items())
