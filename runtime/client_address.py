"""Where a request came from, also through proxies of our own."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from runtime.observation import Request

Network = IPv4Network | IPv6Network

UNKNOWN: Final = "unknown"


class ClientAddresses:
    """Tells the address of the client; X-Forwarded-For counts only as far as proxies of ours wrote it."""

    def __init__(self, trusted_proxies: Sequence[Network]) -> None:
        """Take the networks of the proxies."""
        self._trusted = tuple(trusted_proxies)
        self._is_proxy = lru_cache(maxsize=4096)(self._in_trusted)

    def of(self, req: Request) -> str:
        """Return the nearest address that is not one of our proxies."""
        forwarded = (value for name, value in req.scope["headers"] if name == b"x-forwarded-for")
        return self.of_peer(req.scope.get("client"), forwarded)

    def of_peer(self, client: tuple[str, int] | None, forwarded: Iterable[bytes]) -> str:
        """Return it, given who is connected and the values of X-Forwarded-For."""
        address = client[0] if client else UNKNOWN
        if not self._trusted or not self._is_proxy(address):
            return address
        # Each proxy adds whom it was asked by at the end, so what a client made up stands before that.
        for one in reversed(b",".join(forwarded).decode("latin-1").split(",")):
            named = one.strip()
            if not _is_address(named):
                break
            address = named
            if not self._is_proxy(named):
                break
        return address

    def _in_trusted(self, address: str) -> bool:
        return _is_address(address) and any(ip_address(address) in network for network in self._trusted)


def networks(text: str) -> list[Network]:
    """Read networks such as `10.0.0.0/8` or single addresses, separated by commas.

    Raises:
        ValueError: one is none.
    """
    return [ip_network(one.strip()) for one in text.split(",") if one.strip()]


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
