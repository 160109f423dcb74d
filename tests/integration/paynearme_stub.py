"""PayNearMe's API in the place of the client's connections: no socket can be opened here."""

import json
from collections.abc import Callable, Iterable
from typing import Any, Self

from urllib3 import HTTPResponse, PoolManager
from urllib3.connectionpool import HTTPSConnectionPool

from tests.connections import arrived
from tests.documents import documented

ANSWERED = documented("get_smart_token_answer", "guaranteed_ach")

type Said = HTTPResponse | BaseException


class PayNearMeStub:
    """Answers with ``answer``, or raises it, and keeps what was sent. Takes the place of ``PoolManager``.

    What stands in ``answers`` comes first, each once; what stands in ``meanwhile`` happens while PayNearMe
    works on a call, each for one call.
    """

    def __init__(self) -> None:
        self.answer: Said = self.saying(200, ANSWERED)
        self.answers: list[Said] = []
        self.meanwhile: list[Callable[[], object]] = []
        self.sent: list[dict[str, Any]] = []
        self.addresses: list[str] = []
        self.authorizations: list[str | None] = []

    def __call__(self) -> Self:
        return self

    def clear(self) -> None:
        """Close the connections that are kept: there are none."""

    def request(
        self, method: str, url: str, *, body: Iterable[bytes], headers: dict[str, str], **_: Any
    ) -> HTTPResponse:
        answer = self.answers.pop(0) if self.answers else self.answer
        self.addresses.append(f"{method} {url}")
        self.sent.append(json.loads(arrived(body, answer) or b"{}"))
        self.authorizations.append(headers.get("Authorization"))
        if self.meanwhile:
            self.meanwhile.pop(0)()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def behind_urllib3(self) -> PoolManager:
        """Return urllib3 with all that it does, such as trying again; this stands for its connections."""
        ask = self.request

        class Pool(HTTPSConnectionPool):
            def _make_request(self, conn: Any, method: str, url: str, *_: Any, **options: Any) -> Any:
                whole = f"https://{self.host}{url}"
                return ask(method, whole, body=options["body"], headers=options["headers"])

        manager = PoolManager()
        manager.pool_classes_by_scheme = {"https": Pool}
        return manager

    def say(self, said: tuple[int, object] | BaseException) -> None:
        """Answer with a status and content from now on, or raise an error."""
        self.answer = said if isinstance(said, BaseException) else self.saying(*said)

    @staticmethod
    def saying(status: int, content: object) -> HTTPResponse:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        return HTTPResponse(body=data, status=status)
