"""PayNearMe's API in the place of the client's connections: no socket can be opened here."""

import json
from typing import Any, Self

from urllib3 import HTTPResponse

from tests.documents import documented

ANSWERED = documented("get_smart_token_answer", "guaranteed_ach")


class PayNearMe:
    """Answers with ``answer``, or raises it, and keeps what was sent. Takes the place of ``PoolManager``."""

    def __init__(self) -> None:
        self.answer: HTTPResponse | Exception = self.saying(200, ANSWERED)
        self.sent: list[dict[str, Any]] = []
        self.addresses: list[str] = []

    def __call__(self) -> Self:
        return self

    def request(self, method: str, url: str, *, body: bytes, **_: Any) -> HTTPResponse:
        self.addresses.append(f"{method} {url}")
        self.sent.append(json.loads(body))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    @staticmethod
    def saying(status: int, content: object) -> HTTPResponse:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        return HTTPResponse(body=data, status=status)
