"""A server's certificate, from the files that hold it to something that a socket can use.

What is wrong with the files is said in words for the person who has to mend them: OpenSSL's own name neither the
file nor what to do.
"""

import ssl
from pathlib import Path

_OTHERWISE = "not what is expected there in PEM: a certificate with its chain, and a private key"
_WORDS = {
    "KEY_VALUES_MISMATCH": "the private key does not belong to the certificate",
    "EE_KEY_TOO_SMALL": "the key of the certificate is too small to be safe",
    "CA_MD_TOO_WEAK": "the certificate is signed in a way that is not safe any more",
}


class UnusableCertificate(ValueError):
    """The files can be read, but make no certificate; the message says why and names no file."""


def server_context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or newer with this certificate; without a `key` file the certificate's own file holds the key.

    OSError if a file cannot be read, UnusableCertificate if they do not make a certificate with its key.
    """
    for file in (certificate, key):
        if file is not None:
            file.open("rb").close()  # OpenSSL would not say which one it could not read
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as problem:
        words = _WORDS.get(problem.reason or "", f"{_OTHERWISE} ({problem})")
        raise UnusableCertificate(words) from None
    return context


def _no_password() -> str:
    raise UnusableCertificate("the private key is encrypted; there is nobody to ask for its password")
