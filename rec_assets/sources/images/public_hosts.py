"""Connections that refuse addresses of private networks and of this machine.

Addresses of images come from data. A download must not reach services that only this network trusts, such as the
metadata service of a cloud. The address of the connection itself is tested, so a name cannot change in between.
"""

import ipaddress
import socket
from contextlib import suppress

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class PrivateHost(HTTPError):
    """An address that only a private network or this machine reaches."""


def is_public(address: str) -> bool:
    """Returns True for an address of the internet, also for the IPv4 address inside an IPv6 address."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if found in _NAT64:
            inner = ipaddress.IPv4Address(found.packed[-4:])
        found = inner or found
    return found.is_global and not found.is_multicast


def _require_public(host: str, address: str) -> None:
    if not is_public(address):
        place = address if host == address else f"{address} of {host}"
        raise PrivateHost(f"private address {place}; REC_IMAGE_PRIVATE_HOSTS=true allows it")


class _PublicConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        with suppress(OSError, UnicodeError):  # of a name without addresses; the connection reports it
            for *_, address in socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM):
                _require_public(self.host, str(address[0]))
        connected = super()._new_conn()
        try:
            _require_public(self.host, connected.getpeername()[0])
        except BaseException:
            connected.close()
            raise
        return connected


class _PublicTlsConnection(_PublicConnection, HTTPSConnection):
    pass


class _PublicPool(HTTPConnectionPool):
    ConnectionCls = _PublicConnection


class _PublicTlsPool(HTTPSConnectionPool):
    ConnectionCls = _PublicTlsConnection


def public_pool_manager(connections: int) -> PoolManager:
    """Returns a manager of connections that raise `PrivateHost` for private addresses.

    Args:
        connections: number of connections to a host that stay open.
    """
    manager = PoolManager(maxsize=connections)
    manager.pool_classes_by_scheme = {"http": _PublicPool, "https": _PublicTlsPool}
    return manager
