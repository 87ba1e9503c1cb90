"""The only place where parts are made and joined: settings in, a running daemon out."""

from backfilld.app.daemon import Daemon

__all__ = ["Daemon"]
