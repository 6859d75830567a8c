"""The base class of both clients."""

from __future__ import annotations

from datetime import timedelta

from celper import _celper
from celper._celper import RateLimits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Base:
    """Holds the native client, which makes the calls."""

    __slots__ = ("__weakref__", "_native")

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        allow_http_hosts: Sequence[str] | None = None,
        timeout: float | timedelta | None = None,
        attempt_timeout: float | timedelta = 30.0,
        max_retries: int = 2,
        rate_limits: RateLimits | None = RateLimits(),  # noqa: B008 - immutable
        proxy: str | None = None,
        ca_certificates: str | bytes | None = None,
        app_info: str | None = None,
    ) -> None:
        """Creates a client. It does not connect yet.

        Args:
            api_key: The API key. Defaults to the environment variable ``CELPER_API_KEY``.
            base_url: The URL of the API. Defaults to ``CELPER_BASE_URL``, then ``https://api.celper.ai``. A path is
                put in front of the API's paths. ``http`` is allowed for loopback hosts and ``allow_http_hosts``.
            allow_http_hosts: Private hosts that ``base_url`` may name with plain ``http``: names without a dot, names
                under ``internal``, ``local``, ``test``, ``lan`` or ``home.arpa``, and private addresses. Over ``http``
                everyone on the network between can read the API key and the e-mails: never use a production key.
            timeout: The timeout of the whole call, all waits included, in seconds or as a ``timedelta``. Default: none;
                the call then waits for the rate limit as long as it takes, and has 120 s after that.
            attempt_timeout: The timeout of one HTTP attempt, connecting included, in seconds or as a ``timedelta``.
            max_retries: The number of retries after a failed attempt. With 0, a call sends exactly one request.
            rate_limits: The rate limits to keep to. All clients with the same URL and key in the process share them.
                ``None`` turns pacing off.
            proxy: The proxy for all requests: an ``http``, ``https`` or SOCKS URL, ``http://user:password@host:port``.
                Defaults to the environment's ``HTTPS_PROXY`` or ``ALL_PROXY``. A loopback ``base_url`` is never reached
                through the environment's proxy, nor through a proxy on another machine.
            ca_certificates: Additional certificates to trust: the content of a PEM file.
            app_info: The name of your program, ``name/version``, appended to the User-Agent.

        Raises:
            InvalidArgumentError: An option is invalid, or there is no API key.
        """
        try:
            self._native = _celper.Client(
                api_key,
                base_url,
                allow_http_hosts,
                timeout,
                attempt_timeout,
                max_retries,
                rate_limits,
                proxy,
                ca_certificates,
                app_info,
            )
        finally:
            # Tools that show a traceback's local variables must not show these.
            api_key = proxy = base_url = None

    @property
    def base_url(self) -> str:
        """The URL of the API."""
        return self._native.base_url

    def __repr__(self) -> str:
        # Tools that show a traceback's local variables also show an object whose __init__ failed.
        options = f"base_url={self.base_url!r}" if hasattr(self, "_native") else "not initialized"
        return f"{type(self).__name__}({options})"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError(
            f"a {type(self).__name__} client cannot be pickled or copied because it holds an API key; "
            "create one in each process"
        )
