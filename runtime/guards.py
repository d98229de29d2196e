"""What stands before the resources of both APIs: the audit log, who is let in, how often."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from runtime.access import Access, access_of
from runtime.audit import Audit
from runtime.client_address import ClientAddresses, networks
from runtime.rate_limits import RateLimits, rate_limits_of
from runtime.settings import GuardSettings

Hook = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Guards:
    """The middleware of an app, and what has to be started and closed with it."""

    audit: Audit | None = None
    access: Access | None = None
    rate_limits: RateLimits | None = None

    @property
    def middleware(self) -> list[Any]:
        """Return it in its order: what is refused is audited, and a subject is counted once it is known."""
        return [one for one in (self.audit, self.access, self.rate_limits) if one is not None]

    @property
    def on_startup(self) -> Sequence[Hook]:
        """Return what to call before the first request."""
        keys = [] if self.access is None else [self.access.keys.start]
        return keys if self.rate_limits is None else [*keys, self.rate_limits.redis.start]

    @property
    def on_shutdown(self) -> Sequence[Hook]:
        """Return what to call after the last one, in reverse order."""
        keys = [] if self.access is None else [self.access.keys.close]
        return keys if self.rate_limits is None else [*keys, self.rate_limits.redis.close]


NO_GUARDS: Final = Guards()


def guards_of(settings: GuardSettings) -> Guards:
    """Make what the settings ask for.

    Raises:
        StartupError: they do not say who is let in.
    """
    addresses = ClientAddresses(networks(settings.trusted_proxies))
    return Guards(
        Audit(addresses) if settings.audit_log else None, access_of(settings), rate_limits_of(settings, addresses)
    )
