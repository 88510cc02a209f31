"""The acceptor: studies come in by C-STORE, and what is acknowledged is durable."""

from node.receive.acceptor import Acceptor, AcceptorOptions

__all__ = ["Acceptor", "AcceptorOptions"]
