"""Who may open an association: called and calling AE titles, and where the caller really is (PS3.8 9.3.4)."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from pipeline.core.route import Peer

Address = IPv4Address | IPv6Address


class Rejection(Enum):
    """Result, source and diagnostic of an A-ASSOCIATE-RJ (PS3.8 table 9-21)."""

    CALLED_AE_TITLE_NOT_RECOGNIZED = (1, 1, 7)
    CALLING_AE_TITLE_NOT_RECOGNIZED = (1, 1, 3)
    NO_REASON_GIVEN = (1, 1, 1)

    @property
    def words(self) -> str:
        """As the standard says it."""
        return self.name.lower().replace("_", " ").replace("ae title", "AE title")


@dataclass(frozen=True, slots=True)
class Doors:
    """The rules of admission.

    ae_titles: the titles the node answers to; with require_called_ae False it answers to any.
    peers:     who may call, and from where (a name, an address, or a network like 10.1.0.0/16);
               with allow_any_calling_ae True everybody may.
    """

    ae_titles: frozenset[str]
    peers: tuple[Peer, ...]
    require_called_ae: bool = True
    allow_any_calling_ae: bool = False

    def refuses(self, calling_ae: str, called_ae: str, ip: str) -> Rejection | None:
        """Why this association must be rejected, or None. May ask the name service."""
        if self.require_called_ae and called_ae not in self.ae_titles:
            return Rejection.CALLED_AE_TITLE_NOT_RECOGNIZED
        if self.allow_any_calling_ae:
            return None
        hosts = [p.host for p in self.peers if p.ae_title == calling_ae]
        return None if _is_at(ip, hosts) else Rejection.CALLING_AE_TITLE_NOT_RECOGNIZED


def plain_address(ip: str) -> str:
    """An IP address in its one usual spelling: without a zone, and IPv4 as IPv4 (RFC 4291 2.5.5.2)."""
    return str(_address(ip))


def _address(ip: str) -> Address:
    address = ip_address(ip.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_at(ip: str, hosts: Iterable[str]) -> bool:
    address = _address(ip)
    return any(_matches(address, host) for host in hosts)


def _matches(address: Address, host: str) -> bool:
    try:
        return address in ip_network(host, strict=False)
    except ValueError:  # not an address or a network, hence a name
        return address in _resolved(host)


def _resolved(host: str) -> set[Address]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return set()
    return {_address(str(entry[4][0])) for entry in found}
