"""What stands between the daemon and the world: tokens, origins, TLS; a reload changes them."""

import ssl
from collections.abc import Sequence

from steno_daemon.auth import Grant, Keyring, Scope, check_exposure
from steno_daemon.config import Config
from steno_daemon.origins import Origins
from steno_daemon.tls import Tls
from steno_daemon.transports.gate import Gate


class Exposure:
    """The gate and the certificate of one configuration.

    Args:
        config: the configuration.
        hosts: addresses that the daemon really listens on, which systemd may have chosen.

    Attributes:
        gate: lets requests in.
        tls: the context of the port, None for a plain one.

    Raises:
        ConfigError: everybody on the network could listen in, or something in it cannot be.
    """

    def __init__(self, config: Config, hosts: Sequence[str]) -> None:
        self._hosts = hosts
        self._certificate = Tls.of(config.server)
        self._keyring = Keyring.of(config.security)
        self._check(self._keyring)
        self.gate = Gate(self._keyring, _origins(config, self._keyring))

    @property
    def tls(self) -> ssl.SSLContext | None:
        """The context of the port, None for a plain one."""
        return self._certificate.context if self._certificate else None

    @property
    def description(self) -> str:
        """Who may come in, in a line."""
        who = "everybody on this machine" if self._keyring.is_open else "who has a token"
        if self._certificate is None:
            return f"for {who}, without TLS"
        return f"for {who}, with TLS; the certificate is good for {self.certificate_days} days"

    @property
    def certificate_days(self) -> int:
        """Whole days until the certificate expires, 0 without one."""
        return int((self.certificate_expires_s or 0) // 86_400)

    @property
    def certificate_expires_s(self) -> float | None:
        """Seconds until the certificate expires, None without one."""
        return self._certificate.expires_s if self._certificate else None

    def holds(self, grant: Grant, scope: Scope) -> bool:
        """Return whether a token that was good once is still good for a scope."""
        return self._keyring.holds(grant, scope)

    def reload(self, config: Config) -> None:
        """Read tokens and certificate again, and take over the named origins.

        Raises:
            ConfigError: something in it cannot be; everything stays as it was.
        """
        newer = Keyring.of(config.security)
        self._check(newer)
        origins = _origins(config, newer)
        if self._certificate is not None:
            self._certificate.reload()
        self._keyring.adopt(newer)
        self.gate.origins = origins

    def _check(self, keyring: Keyring) -> None:
        for host in self._hosts:
            check_exposure(host, keyring, tls=self._certificate is not None)


def _origins(config: Config, keyring: Keyring) -> Origins:
    """Return who may connect: under any name only where a token is asked for."""
    return Origins(config.server.origins, any_host=not keyring.is_open)
