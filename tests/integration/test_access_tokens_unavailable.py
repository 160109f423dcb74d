import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ProtocolError
from urllib3.exceptions import ReadTimeoutError as AnswerTimeoutError

from paynearme.access_tokens import LEASE_SECONDS
from paynearme.errors import (
    AccessTokenUnavailableError,
    CredentialsRejectedError,
    LedgerUnavailableError,
    UpstreamConnectTimeoutError,
    RequestNotAcceptedError,
    ServiceError,
    UpstreamError,
    UpstreamTimeoutError,
)
from tests.integration.observed import Traffic
from tests.integration.token_address import (
    TOKEN,
    Processes,
    TokenAddress,
)

if TYPE_CHECKING:
    pass

URL = "https://ssm.us-east-1.amazonaws.com"
FIRST, SECOND = f"{TOKEN}-1", f"{TOKEN}-2"


def denied(operation: str) -> ClientError:
    answer: Any = {"Error": {"Code": "AccessDeniedException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(answer, operation)


POOL = HTTPSConnectionPool("login.paynearme.invalid")
HTML = b"<html>zq7</html>"


def saying(status: int, content: object) -> HTTPResponse:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return HTTPResponse(body=data, status=status)


NO_TOKENS: dict[str, tuple[HTTPResponse | Exception, type[ServiceError]]] = {
    "400": (saying(400, {"error": "invalid_client"}), CredentialsRejectedError),
    "401": (saying(401, HTML), CredentialsRejectedError),
    "403": (saying(403, {}), CredentialsRejectedError),
    "404": (saying(404, {}), RequestNotAcceptedError),
    "429": (saying(429, {}), RequestNotAcceptedError),
    "500": (saying(500, {"access_token": TOKEN, "token_type": "Bearer"}), RequestNotAcceptedError),
    "redirected": (HTTPResponse(status=302, headers={"Location": "https://zq7.invalid"}), RequestNotAcceptedError),
    "HTML": (saying(200, HTML), RequestNotAcceptedError),
    "no UTF-8": (saying(200, b"\xff\xfe"), RequestNotAcceptedError),
    "nothing": (saying(200, b""), RequestNotAcceptedError),
    "a list": (saying(200, [TOKEN]), RequestNotAcceptedError),
    "text": (saying(200, TOKEN), RequestNotAcceptedError),
    "null": (saying(200, None), RequestNotAcceptedError),
    "an error": (saying(200, {"error": "zq7"}), RequestNotAcceptedError),
    "no token": (TokenAddress.giving(access_token=None), RequestNotAcceptedError),
    "a number": (TokenAddress.giving(access_token=7), RequestNotAcceptedError),
    "an empty token": (TokenAddress.giving(access_token=""), RequestNotAcceptedError),
    "a blank": (TokenAddress.giving(access_token="zq7 token"), RequestNotAcceptedError),
    "a line break": (TokenAddress.giving(access_token="zq7\r\nHost: x"), RequestNotAcceptedError),
    "beyond ASCII": (TokenAddress.giving(access_token="zq7\u00e9"), RequestNotAcceptedError),
    "no type": (TokenAddress.giving(token_type=None), RequestNotAcceptedError),
    "another type": (TokenAddress.giving(token_type="mac"), RequestNotAcceptedError),
    "no end": (TokenAddress.giving(expires_in="zq7"), RequestNotAcceptedError),
    "a strange end": (TokenAddress.giving(expires_in=[1]), RequestNotAcceptedError),
    "an endless one": (
        saying(200, b'{"access_token": "zq7", "token_type": "Bearer", "expires_in": 1e999}'),
        RequestNotAcceptedError,
    ),
    "an end of 400 digits": (TokenAddress.giving(expires_in=10**400), RequestNotAcceptedError),
    "an end of 400 digits as text": (TokenAddress.giving(expires_in="9" * 400), RequestNotAcceptedError),
    "deep JSON": (saying(200, b"[" * 100_000), RequestNotAcceptedError),
    "deep JSON in a token": (saying(200, b'{"access_token": ' + b"[" * 100_000), RequestNotAcceptedError),
    "refused connection": (NewConnectionError(HTTPConnection("x"), "zq7"), RequestNotAcceptedError),
    "cut": (ProtocolError("zq7"), UpstreamError),
    "hangs": (AnswerTimeoutError(POOL, "/", "zq7"), UpstreamTimeoutError),
    "slow connection": (ConnectTimeoutError("zq7"), UpstreamConnectTimeoutError),
}


@pytest.mark.parametrize(("answer", "error"), NO_TOKENS.values(), ids=NO_TOKENS)
def test_an_address_that_gives_no_token_says_why_and_nothing_of_it_is_kept(
    processes: Processes, answer: HTTPResponse | Exception, error: type[ServiceError]
) -> None:
    processes.address.answer = answer

    with pytest.raises(ServiceError) as caught:
        processes.find()

    assert type(caught.value) is error
    assert "zq7" not in f"{caught.value!r}{vars(caught.value)}{caught.value.__cause__!r}"
    with pytest.raises(processes.ssm.exceptions.ParameterNotFound):
        processes.parameter()


def test_while_the_address_fails_it_is_asked_once_for_each_lease(processes: Processes) -> None:
    processes.address.answer = saying(500, {})
    with pytest.raises(RequestNotAcceptedError):
        processes.find()

    for _ in range(5):
        with pytest.raises(UpstreamTimeoutError):
            processes.find(seconds=3)
    assert len(processes.address.asked) == 1

    processes.clock.work(LEASE_SECONDS + 1)
    processes.address.answer = None
    assert processes.find() == SECOND


@pytest.mark.parametrize(
    "error", [denied("GetParameter"), ReadTimeoutError(endpoint_url=URL)], ids=["denied", "slow"]
)
def test_without_the_store_there_is_no_token(
    processes: Processes, traffic: Traffic, error: Exception
) -> None:
    traffic.refused["GetParameter"] = error

    with pytest.raises(AccessTokenUnavailableError):
        processes.find()
    assert processes.address.asked == []


def test_a_lost_answer_of_the_store_is_asked_for_again(processes: Processes, traffic: Traffic) -> None:
    processes.find()
    traffic.lost["GetParameter"] = [
        ReadTimeoutError(endpoint_url=URL),
        ConnectionClosedError(endpoint_url=URL),
    ]

    assert processes.find() == FIRST


def test_without_the_table_nobody_asks_the_address(processes: Processes, traffic: Traffic) -> None:
    traffic.refused["UpdateItem"] = denied("UpdateItem")

    with pytest.raises(LedgerUnavailableError):
        processes.find()
    assert processes.address.asked == []


def test_a_lease_whose_answer_is_lost_is_held_by_who_wrote_it(processes: Processes, traffic: Traffic) -> None:
    traffic.lost["UpdateItem"] = [ReadTimeoutError(endpoint_url=URL)]

    assert processes.find() == FIRST


@pytest.mark.parametrize(
    "error", [denied("PutParameter"), ReadTimeoutError(endpoint_url=URL)], ids=["denied", "slow"]
)
def test_a_token_that_cannot_be_stored_is_good_for_its_process(
    processes: Processes, traffic: Traffic, error: Exception
) -> None:
    traffic.refused["PutParameter"] = error
    process = processes.start()

    assert [processes.find(process), processes.find(process)] == [FIRST] * 2


def test_a_lease_that_cannot_be_given_back_does_no_harm(processes: Processes, traffic: Traffic) -> None:
    traffic.lost["PutParameter"] = [None]
    processes.address.meanwhile = [lambda: traffic.refused.update(UpdateItem=denied("UpdateItem"))]

    assert processes.find() == FIRST
    assert processes.find() == FIRST
