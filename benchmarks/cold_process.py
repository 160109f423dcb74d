"""Import one handler and invoke it once with AWS answered in the process. Write the number of loaded modules.

The argument is a JSON file with the search path, the module, the event, and the answers of AWS by operation. Only the
standard library and botocore are imported here, so that the imports of the handler are those that count.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any


def _answer(answers: dict[str, str]) -> Any:
    from botocore.awsrequest import AWSResponse

    class Body:
        def __init__(self, content: bytes) -> None:
            self.content = content

        def read(self, *_: object) -> bytes:
            content, self.content = self.content, b""
            return content

        def stream(self, **_: object) -> list[bytes]:
            return [self.read()]

    def respond(request: Any, **_: object) -> AWSResponse:
        target = request.headers.get("X-Amz-Target") or b""
        operation = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
        name = operation or ("start" if "configurationsessions" in request.url else "poll")
        headers: Any = {"Next-Poll-Configuration-Token": "token"}
        return AWSResponse(request.url, 200, headers, Body(answers[name].encode()))

    return respond


def main(file: str) -> None:
    """Invoke the handler."""
    case = json.loads(Path(file).read_text())
    sys.path[:] = [*case["path"], *(entry for entry in sys.path if "site-packages" not in entry)]
    if case["module"] == "app":
        # Before the import of the handler, because each client copies the hooks of the session.
        from paynearme.platform.aws_clients import shared_session

        shared_session().register("before-send", _answer(case["answers"]))
    app: Any = importlib.import_module(case["module"])
    if case["module"] != "app":
        app.client.meta.events.register("before-send", _answer(case["answers"]))
    response = app.handler(case["event"], None)
    if response["statusCode"] != case["status"]:
        raise RuntimeError(f"status {response['statusCode']}")
    sys.stderr.write(str(len(sys.modules)))


if __name__ == "__main__":
    main(sys.argv[1])
