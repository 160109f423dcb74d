"""A stub of PayNearMe's API that replaces the connections of the client."""

import json
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any, Self

from urllib3 import HTTPResponse, PoolManager
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from sandbox.clients.sample_messages import load

SAMPLE_REPLY = load("get_smart_token_response")["guaranteed_ach"]

type Reply = HTTPResponse | BaseException


def http_response(status: int, content: object, **headers: str) -> HTTPResponse:
    """Return a response. ``content`` is bytes, or a value that becomes JSON."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return HTTPResponse(body=BytesIO(body), status=status, headers=headers)


def body_received(body: Iterable[bytes], response: object) -> bytes:
    """Return the body, which is empty if ``response`` is a connection error."""
    reason = response.reason if isinstance(response, MaxRetryError) else response
    return b"" if isinstance(reason, NewConnectionError | ConnectTimeoutError) else b"".join(body)


class PayNearMeStub:
    """Replace ``PoolManager``. Return or raise ``next_replies``, each once, and then ``default_reply``.

    ``requests`` records the requests. The first of ``during_call`` runs during the next call.
    """

    def __init__(self, *replies: Reply) -> None:
        """Reply with ``replies`` in order. The last one is the default."""
        self.next_replies: list[Reply] = list(replies[:-1])
        self.default_reply: Reply = replies[-1] if replies else http_response(200, SAMPLE_REPLY)
        self.during_call: list[Callable[[], object]] = []
        self.requests: list[dict[str, Any]] = []

    replying = staticmethod(http_response)

    def __call__(self) -> Self:
        return self

    def clear(self) -> None:
        """Do nothing, because the stub has no connections."""

    def request(self, method: str, url: str, **options: Any) -> HTTPResponse:
        reply = self.next_replies.pop(0) if self.next_replies else self.default_reply
        body = body_received(options["body"], reply)
        self.requests.append({"method": method, "url": url, **options, "body": body})
        if self.during_call:
            self.during_call.pop(0)()
        if isinstance(reply, BaseException):
            raise reply
        return reply

    @property
    def sent(self) -> list[dict[str, Any]]:
        """Return the parsed bodies of the requests. A body that was not sent is empty."""
        return [json.loads(request["body"] or b"{}") for request in self.requests]

    @property
    def urls(self) -> list[str]:
        """Return the method and the URL of each request."""
        return [f"{request['method']} {request['url']}" for request in self.requests]

    @property
    def authorizations(self) -> list[str | None]:
        """Return the ``Authorization`` header of each request."""
        return [request["headers"].get("Authorization") for request in self.requests]

    def behind_urllib3(self) -> PoolManager:
        """Return a pool with urllib3's retries. The stub replaces only its connections."""
        send = self.request

        class Connection(HTTPSConnection):
            def connect(self) -> None:
                self.is_verified = True

            def request(self, method: str, url: str, *_: Any, **options: Any) -> None:
                try:
                    self.reply = send(method, f"https://{self.host}{url}", **options)
                except MaxRetryError as error:
                    # One attempt raises the reason.
                    raise error.reason or error from None

            def getresponse(self) -> HTTPResponse:  # type: ignore[override] # urllib3 also overrides it
                return self.reply

        class Pool(HTTPSConnectionPool):
            ConnectionCls = Connection

        manager = PoolManager()
        manager.pool_classes_by_scheme = {"https": Pool}
        return manager

    def reply(self, content: tuple[int, object] | BaseException) -> None:
        """Reply with a status and content, or raise an error, from the next call on."""
        self.default_reply = content if isinstance(content, BaseException) else http_response(*content)
