"""The certificate of a listening server, which can be exchanged while it listens."""

import ssl
from datetime import datetime

HANDSHAKE_SECONDS = 10.0  # whoever has not got further by then holds a connection for nothing


class Certificate:
    """`context` is for the socket, once; connections made after `exchange` get the new certificate.

    Exchanged as a whole: loading new files into a context in use would leave a new certificate with an old key if the
    second step failed.
    """

    def __init__(self, context: ssl.SSLContext, expires_at: datetime | None = None) -> None:
        self.context = self._current = context
        self.expires_at = expires_at  # of the one in use, where that is known
        context.sni_callback = self._choose

    def exchange(self, context: ssl.SSLContext, expires_at: datetime | None = None) -> None:
        """Use another one from the next handshake on."""
        self._current, self.expires_at = context, expires_at

    def _choose(self, connection: ssl.SSLObject, server_name: str | None, _: ssl.SSLContext) -> None:
        connection.context = self._current  # asked for every handshake, also if no name is given
