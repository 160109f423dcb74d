"""PayNearMe's API in the place of the client's connections: no socket can be opened here."""

import json
from collections.abc import Callable, Iterable
from typing import Any, Self

from urllib3 import HTTPResponse, PoolManager
from urllib3.connectionpool import HTTPSConnectionPool

from tests.support.http_assertions import body_received
from tests.support.samples import load_sample

SAMPLE_REPLY = load_sample("get_smart_token_response", "guaranteed_ach")

type Reply = HTTPResponse | BaseException


class PayNearMeStub:
    """Answers with ``answer``, or raises it, and keeps what was sent. Takes the place of ``PoolManager``.

    What stands in ``answers`` comes first, each once; what stands in ``meanwhile`` happens while PayNearMe
    works on a call, each for one call.
    """

    def __init__(self) -> None:
        self.default_reply: Reply = self.replying(200, SAMPLE_REPLY)
        self.next_replies: list[Reply] = []
        self.during_call: list[Callable[[], object]] = []
        self.sent: list[dict[str, Any]] = []
        self.urls: list[str] = []
        self.authorizations: list[str | None] = []

    def __call__(self) -> Self:
        return self

    def clear(self) -> None:
        """Close the connections that are kept: there are none."""

    def request(
        self, method: str, url: str, *, body: Iterable[bytes], headers: dict[str, str], **_: Any
    ) -> HTTPResponse:
        reply = self.next_replies.pop(0) if self.next_replies else self.default_reply
        self.urls.append(f"{method} {url}")
        self.sent.append(json.loads(body_received(body, reply) or b"{}"))
        self.authorizations.append(headers.get("Authorization"))
        if self.during_call:
            self.during_call.pop(0)()
        if isinstance(reply, BaseException):
            raise reply
        return reply

    def behind_urllib3(self) -> PoolManager:
        """Return urllib3 with all that it does, such as trying again; this stands for its connections."""
        send = self.request

        class Pool(HTTPSConnectionPool):
            def _make_request(self, conn: Any, method: str, url: str, *_: Any, **options: Any) -> Any:
                full_url = f"https://{self.host}{url}"
                return send(method, full_url, body=options["body"], headers=options["headers"])

        manager = PoolManager()
        manager.pool_classes_by_scheme = {"https": Pool}
        return manager

    def reply(self, content: tuple[int, object] | BaseException) -> None:
        """Answer with a status and content from now on, or raise an error."""
        self.default_reply = content if isinstance(content, BaseException) else self.replying(*content)

    @staticmethod
    def replying(status: int, content: object) -> HTTPResponse:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        return HTTPResponse(body=data, status=status)
