"""What both clients share."""

from __future__ import annotations

from datetime import timedelta

from celper import _celper
from celper._celper import RateLimits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

# The operations' numbers, in the native half's order.
STATUS: Final = 0
INVITE: Final = 1
SELECT: Final = 2
REJECT: Final = 3


class Base:
    """A client's options, and the native half that makes its calls."""

    __slots__ = ("__weakref__", "_native")

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float | timedelta = 120.0,
        attempt_timeout: float | timedelta = 30.0,
        max_retries: int = 2,
        rate_limits: RateLimits | None = RateLimits(),  # noqa: B008 - immutable
        proxy: str | None = None,
        ca_certificates: str | bytes | None = None,
        app_info: str | None = None,
    ) -> None:
        """Sets the client up. It connects to nothing yet.

        Args:
            api_key: The key; without it ``CELPER_API_KEY`` from the environment.
            base_url: Where the API is; without it ``CELPER_BASE_URL``, else ``https://api.celper.ai``. May have a
                path in front of the API's own. ``http`` is for loopback hosts only.
            timeout: The time for a whole call, waits and retries included: seconds, or a ``timedelta``.
            attempt_timeout: The time for one HTTP attempt, connecting included.
            max_retries: How many more attempts may follow a failed one; with 0 a call is exactly one request.
            rate_limits: The rate windows to keep to, shared by all clients of the same URL and key in the process;
                ``None`` turns pacing off.
            proxy: The proxy for all requests, ``http://user:password@host:port``; without it the environment's.
            ca_certificates: Certificates to trust beside the system's: the content of a PEM file.
            app_info: What your program is called, ``name/version``, appended to the User-Agent.

        Raises:
            InvalidArgumentError: An option cannot be used, or there is no API key.
        """
        try:
            self._native = _celper.Client(
                api_key, base_url, timeout, attempt_timeout, max_retries, rate_limits, proxy, ca_certificates, app_info
            )
        finally:
            # A traceback that prints local variables must not show these.
            api_key = proxy = base_url = None

    @property
    def base_url(self) -> str:
        """Where the API is."""
        return self._native.base_url

    def __repr__(self) -> str:
        # An object whose __init__ failed is still shown, by a traceback that prints local variables.
        where = f"base_url={self.base_url!r}" if hasattr(self, "_native") else "not made"
        return f"{type(self).__name__}({where})"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError(
            f"a {type(self).__name__} cannot be pickled or copied, for it holds an API key; make one where it is needed"
        )
