"""A service in the local network that others find by multicast DNS, by zeroconf."""

import ipaddress
import logging
import socket
from typing import TYPE_CHECKING

from steno_daemon.errors import ConfigError

if TYPE_CHECKING:
    from zeroconf.asyncio import AsyncZeroconf

logger = logging.getLogger(__name__)

SERVICE = "_wyoming._tcp.local."


class Announcement:
    """Says where a service of the Wyoming protocol is.

    Args:
        name: of the service.
        host: address that it listens on; all of this machine's where it is none in particular.
        port: likewise.
    """

    def __init__(self, name: str, host: str, port: int) -> None:
        self._name = name
        self._host = host
        self._port = port
        self._zeroconf: AsyncZeroconf | None = None

    async def publish(self) -> None:
        """Announce the service.

        Raises:
            ConfigError: the package zeroconf is not there.
        """
        check_zeroconf()
        from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf  # noqa: PLC0415 — optional

        addresses = self._addresses()
        info = AsyncServiceInfo(
            SERVICE,
            f"{self._name}.{SERVICE}",
            parsed_addresses=addresses,
            port=self._port,
            server=f"{socket.gethostname().partition('.')[0]}.local.",
        )
        try:
            self._zeroconf = AsyncZeroconf()
            await self._zeroconf.async_register_service(info, allow_name_change=True)
        except OSError as error:
            logger.warning("wyoming: cannot be announced: %s", error)
            return
        logger.info("wyoming: announced as %s at %s", info.name, ", ".join(addresses))

    async def withdraw(self) -> None:
        """Say that the service is gone."""
        if self._zeroconf is not None:
            await self._zeroconf.async_unregister_all_services()
            await self._zeroconf.async_close()
            self._zeroconf = None

    def _addresses(self) -> list[str]:
        """Return where others reach the service."""
        if not ipaddress.ip_address(self._host).is_unspecified:
            return [self._host]
        import ifaddr  # noqa: PLC0415 — zeroconf brings it

        found = [
            ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            for adapter in ifaddr.get_adapters()
            for ip in adapter.ips
            if ip.is_IPv4 or ":" in self._host
        ]
        others = [one for one in found if not ipaddress.ip_address(one).is_loopback]
        return others or found


def check_zeroconf() -> None:
    """Check that the package is there.

    Raises:
        ConfigError: it is not.
    """
    try:
        import zeroconf  # noqa: F401, PLC0415 — optional
    except ImportError:
        raise ConfigError(
            "wyoming.announce: expected the package zeroconf, found none: "
            "pip install 'steno-asr[zeroconf]'"
        ) from None
