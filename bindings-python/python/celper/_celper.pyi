"""The native module. Import the public names from ``celper``."""

from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal, final, overload

from celper._status import CandidateStatus

VERSION: str
ERRORS: tuple[tuple[str, str, str], ...]
STATUSES: tuple[str, ...]
OPERATIONS: tuple[tuple[str, str], ...]
DEFAULTS: tuple[float, int]

@final
class RateLimit:
    __dataclass_fields__: ClassVar[dict[str, Any]]
    __match_args__: ClassVar[tuple[str, str, str]]
    def __new__(
        cls, *, limit: int | None = None, remaining: int | None = None, reset_at: datetime | None = None
    ) -> RateLimit: ...
    @property
    def limit(self) -> int | None: ...
    @property
    def remaining(self) -> int | None: ...
    @property
    def reset_at(self) -> datetime | None: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def to_dict(self) -> dict[str, Any]: ...
    def __json__(self) -> dict[str, Any]: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any, /) -> Any: ...
    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, Any]]: ...

@final
class CandidateState:
    __dataclass_fields__: ClassVar[dict[str, Any]]
    __match_args__: ClassVar[tuple[str, str, str, str, str, str]]
    def __new__(
        cls,
        *,
        status: CandidateStatus | str,
        analysis_viewed: bool,
        interview_score: float | None = None,
        request_id: str | None = None,
        rate_limit: RateLimit | None = None,
        attempts: int = 1,
    ) -> CandidateState: ...
    @property
    def status(self) -> CandidateStatus | str: ...
    @property
    def analysis_viewed(self) -> bool: ...
    @property
    def interview_score(self) -> float | None: ...
    @property
    def request_id(self) -> str | None: ...
    @property
    def rate_limit(self) -> RateLimit | None: ...
    @property
    def attempts(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def to_dict(self) -> dict[str, Any]: ...
    def __json__(self) -> dict[str, Any]: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any, /) -> Any: ...
    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, Any]]: ...

@final
class Invitation:
    __dataclass_fields__: ClassVar[dict[str, Any]]
    __match_args__: ClassVar[tuple[str, str, str, str, str, str, str]]
    def __new__(
        cls,
        *,
        invited: bool,
        session_id: str,
        email_delivery: str,
        expires_at: datetime,
        request_id: str | None = None,
        rate_limit: RateLimit | None = None,
        attempts: int = 1,
    ) -> Invitation: ...
    @property
    def invited(self) -> bool: ...
    @property
    def session_id(self) -> str: ...
    @property
    def email_delivery(self) -> str: ...
    @property
    def expires_at(self) -> datetime: ...
    @property
    def request_id(self) -> str | None: ...
    @property
    def rate_limit(self) -> RateLimit | None: ...
    @property
    def attempts(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def to_dict(self) -> dict[str, Any]: ...
    def __json__(self) -> dict[str, Any]: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any, /) -> Any: ...
    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, Any]]: ...

@final
class Decision:
    __dataclass_fields__: ClassVar[dict[str, Any]]
    __match_args__: ClassVar[tuple[str, str, str, str]]
    def __new__(
        cls,
        *,
        status: CandidateStatus | str,
        request_id: str | None = None,
        rate_limit: RateLimit | None = None,
        attempts: int = 1,
    ) -> Decision: ...
    @property
    def status(self) -> CandidateStatus | str: ...
    @property
    def request_id(self) -> str | None: ...
    @property
    def rate_limit(self) -> RateLimit | None: ...
    @property
    def attempts(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def to_dict(self) -> dict[str, Any]: ...
    def __json__(self) -> dict[str, Any]: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any, /) -> Any: ...
    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, Any]]: ...

@final
class RateLimits:
    __dataclass_fields__: ClassVar[dict[str, Any]]
    __match_args__: ClassVar[tuple[str, str, str, str]]
    def __new__(
        cls, *, reads: int = 40, actions: int = 30, total: int = 60, window: float | timedelta = 60.0
    ) -> RateLimits: ...
    @property
    def reads(self) -> int: ...
    @property
    def actions(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def window(self) -> float: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def to_dict(self) -> dict[str, Any]: ...
    def __json__(self) -> dict[str, Any]: ...
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any, /) -> Any: ...
    def __getnewargs_ex__(self) -> tuple[tuple[()], dict[str, Any]]: ...

@final
class Client:
    def __new__(
        cls,
        api_key: str | Callable[[], str | Awaitable[str]] | None,
        base_url: str | None,
        allow_http_hosts: Sequence[str] | None,
        timeout: float | timedelta | None,
        attempt_timeout: float | timedelta,
        max_retries: int,
        rate_limits: RateLimits | None,
        rate_limit_store: str | None,
        rate_limit_name: str | None,
        rate_limit_store_down: str | None,
        proxy: str | None,
        ca_certificates: str | bytes | None,
        app_info: str | None,
        /,
    ) -> Client: ...
    @overload
    def call(
        self,
        operation: Literal["status"],
        candidate_id: str,
        job_position_id: str,
        email_subject: None,
        email_body: None,
        idempotency_key: None,
        timeout: float | timedelta | None,
        max_retries: int | None,
        /,
    ) -> CandidateState: ...
    @overload
    def call(
        self,
        operation: Literal["invite"],
        candidate_id: str,
        job_position_id: str,
        email_subject: str | None,
        email_body: str | None,
        idempotency_key: str | None,
        timeout: float | timedelta | None,
        max_retries: int | None,
        /,
    ) -> Invitation: ...
    @overload
    def call(
        self,
        operation: Literal["select", "reject"],
        candidate_id: str,
        job_position_id: str,
        email_subject: None,
        email_body: None,
        idempotency_key: str | None,
        timeout: float | timedelta | None,
        max_retries: int | None,
        /,
    ) -> Decision: ...
    @overload
    def start(
        self,
        operation: Literal["status"],
        candidate_id: str,
        job_position_id: str,
        email_subject: None,
        email_body: None,
        idempotency_key: None,
        timeout: float | timedelta | None,
        max_retries: int | None,
        /,
    ) -> Awaitable[CandidateState]: ...
    @overload
    def start(
        self,
        operation: Literal["invite"],
        candidate_id: str,
        job_position_id: str,
        email_subject: str | None,
        email_body: str | None,
        idempotency_key: str | None,
        timeout: float | timedelta | None,
        max_retries: int | None,
        /,
    ) -> Awaitable[Invitation]: ...
    @overload
    def start(
        self,
        operation: Literal["select", "reject"],
        candidate_id: str,
        job_position_id: str,
        email_subject: None,
        email_body: None,
        idempotency_key: str | None,
        timeout: float | timedelta | None,
        max_retries: int | None,
        /,
    ) -> Awaitable[Decision]: ...
    def begin(
        self,
        operation: str,
        candidate_id: str,
        job_position_id: str,
        email_subject: str | None,
        email_body: str | None,
        idempotency_key: str | None,
        timeout: float | timedelta | None,
        max_retries: int | None,
        /,
    ) -> PendingCall: ...
    def close(self) -> None: ...
    @property
    def base_url(self) -> str: ...
    @property
    def timeout(self) -> float | None: ...
    @property
    def attempt_timeout(self) -> float: ...
    @property
    def max_retries(self) -> int: ...
    @property
    def rate_limits(self) -> RateLimits | None: ...
    @property
    def rate_limit_store(self) -> str: ...
    @property
    def rate_limit_name(self) -> str | None: ...

@final
class Bridge:
    def __new__(cls, event_loop: AbstractEventLoop) -> Bridge: ...
    def serves(self, event_loop: AbstractEventLoop) -> bool: ...
    def fileno(self) -> int: ...
    def set_scheduler(self, schedule: Callable[[], object]) -> None: ...
    def collect(self) -> None: ...
    def __len__(self) -> int: ...

@final
class PendingCall:
    def fileno(self) -> int: ...
    def collect(self) -> tuple[Any] | None: ...

@final
class Call:
    def __await__(self) -> Generator[Any, None, Any]: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __next__(self) -> Any: ...
