"""Origins, as targets are known by: scheme, host and port of a URL."""

from backfilld.config.fields import split_url
from backfilld.executors.http.wire.request_writer import url_of


def origin_of(value: str) -> str:
    """The one that is written, as executors write it; ValueError if it is anything else than an origin."""
    parts = split_url(value, ("http", "https"))
    if not parts.hostname or parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        raise ValueError("must be an origin, as https://crm.example.com or http://crm.example.com:8080")
    return str(url_of(value).origin())
