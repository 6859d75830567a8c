"""The base class of both clients."""

from __future__ import annotations

from datetime import timedelta
from sys import modules

from celper import _celper
from celper._celper import RateLimits
from celper._events import Telemetry, checked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from celper._events import CallEvent
    from celper._observe import Observer


class Base:
    """Holds the native client, which makes the calls."""

    _native: _celper.Client
    _on_event: Callable[[CallEvent], object] | None = None
    _telemetry: Telemetry | None = None

    def __init__(
        self,
        api_key: str | Callable[[], str | Awaitable[str]] | None = None,
        *,
        base_url: str | None = None,
        allow_http_hosts: Sequence[str] | None = None,
        timeout: float | timedelta | None = None,
        attempt_timeout: float | timedelta = 30.0,
        max_retries: int = 2,
        rate_limits: RateLimits | None = RateLimits(),  # noqa: B008 - immutable
        rate_limit_store: str | None = None,
        rate_limit_name: str | None = None,
        rate_limit_store_down: str | None = None,
        proxy: str | None = None,
        ca_certificates: str | bytes | None = None,
        app_info: str | None = None,
        on_event: Callable[[CallEvent], object] | None = None,
        telemetry: Telemetry | None = Telemetry(),  # noqa: B008 - immutable
    ) -> None:
        """Creates a client. It does not connect yet.

        Args:
            api_key: The API key, or a function that returns it, for keys that are rotated. The function is called
                before each attempt, on the thread of the call (in a batch, sometimes on another one); ``AsyncCelper``
                also takes an async one. Defaults to the environment variable ``CELPER_API_KEY``.
            base_url: The URL of the API. Defaults to ``CELPER_BASE_URL``, then ``https://api.celper.ai``. A path is
                put in front of the API's paths. ``http`` is allowed for loopback hosts and ``allow_http_hosts``.
            allow_http_hosts: Private hosts that ``base_url`` may name with plain ``http``: names without a dot, names
                under ``internal``, ``local``, ``test``, ``lan`` or ``home.arpa``, and private addresses. Over ``http``
                everyone on the network between can read the API key and the e-mails: never use a production key.
            timeout: The timeout of the whole call, all waits included, in seconds or as a ``timedelta``. Default, and
                with ``math.inf``: none; the call then waits for the rate limit as long as it takes, and has 120 s after
                that.
            attempt_timeout: The timeout of one HTTP attempt, connecting included, in seconds or as a ``timedelta``.
            max_retries: The number of retries after a failed attempt. With 0, a call sends exactly one request.
            rate_limits: The rate limits to keep to. ``None`` turns pacing off.
            rate_limit_store: Which processes share the rate limits. ``"machine"``: all of this user on this machine.
                ``"redis://user:password@host:6379/0"`` or ``"rediss://…"``: all that use this Redis or Valkey server.
                ``"process"``: this process alone. Defaults to ``CELPER_RATE_LIMIT_STORE``, then ``"machine"``.
            rate_limit_name: A name for the company whose limits these are: clients with the same name share them,
                whatever their keys. Default: clients with the same key share them.
            rate_limit_store_down: What calls do while the store cannot be reached. ``"share"``, the default: each
                process uses its share of the limits. ``"fail"``: they raise ``ConnectionFailedError``.
            proxy: The proxy for all requests: an ``http``, ``https`` or SOCKS URL, ``http://user:password@host:port``.
                Defaults to the environment's ``HTTPS_PROXY`` or ``ALL_PROXY``. A loopback ``base_url`` is never reached
                through the environment's proxy, nor through a proxy on another machine.
            ca_certificates: Additional certificates to trust: the content of a PEM file. ``SSL_CERT_FILE`` and
                ``REQUESTS_CA_BUNDLE`` name files to trust instead of the system's certificates.
            app_info: The name of your program, ``name/version``, appended to the User-Agent.
            on_event: A function that is called with a ``CallEvent`` when a call or a batch's request has ended, on the
                thread and in the context of its caller. What it raises is logged.
            telemetry: How calls become spans and metrics of OpenTelemetry, where the program uses it. ``None``: not.

        Raises:
            InvalidArgumentError: An option is invalid, or there is no API key.
        """
        checked(on_event, telemetry)
        self._on_event, self._telemetry = on_event, telemetry
        try:
            self._native = _celper.Client(
                api_key,
                base_url,
                allow_http_hosts,
                timeout,
                attempt_timeout,
                max_retries,
                rate_limits,
                rate_limit_store,
                rate_limit_name,
                rate_limit_store_down,
                proxy,
                ca_certificates,
                app_info,
            )
        finally:
            # Tools that show a traceback's local variables must not show these.
            api_key = proxy = base_url = rate_limit_store = None

    @property
    def base_url(self) -> str:
        """The URL of the API."""
        return self._native.base_url

    @property
    def timeout(self) -> float | None:
        """The timeout of the whole call in seconds; ``None`` if there is none."""
        return self._native.timeout

    @property
    def attempt_timeout(self) -> float:
        """The timeout of one HTTP attempt in seconds."""
        return self._native.attempt_timeout

    @property
    def max_retries(self) -> int:
        """The number of retries after a failed attempt."""
        return self._native.max_retries

    @property
    def rate_limits(self) -> RateLimits | None:
        """The rate limits to keep to; ``None`` if pacing is off."""
        return self._native.rate_limits

    @property
    def rate_limit_store(self) -> str:
        """Where the log of the rate limits is kept, without user and password."""
        return self._native.rate_limit_store

    @property
    def rate_limit_name(self) -> str | None:
        """The option ``rate_limit_name``."""
        return self._native.rate_limit_name

    @property
    def on_event(self) -> Callable[[CallEvent], object] | None:
        """The option ``on_event``."""
        return self._on_event

    @property
    def telemetry(self) -> Telemetry | None:
        """The option ``telemetry``."""
        return self._telemetry

    def _observer(self) -> Observer | None:
        """Who is told of a call or a batch that begins now; ``None`` if nobody wants to know."""
        if self._on_event is None and (
            self._telemetry is None or not ("opentelemetry.trace" in modules or "opentelemetry.metrics" in modules)
        ):
            return None
        from celper._observe import Observer

        return Observer(self)

    def __repr__(self) -> str:
        # Tools that show a traceback's local variables also show an object whose __init__ failed.
        if not hasattr(self, "_native"):
            return f"{type(self).__name__}(not initialized)"
        names = ("base_url", "timeout", "attempt_timeout", "max_retries", "rate_limits", "rate_limit_store")
        options = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__name__}({options})"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError(
            f"a {type(self).__name__} client cannot be pickled or copied because it holds an API key; "
            "create one in each process"
        )
