"""The way back for what could not be told: each dead letter is handed to the function again."""

from dataclasses import dataclass
from typing import Any

from operations.errors import OperationError

VISIBILITY_TIMEOUT = 3600
"""How long letters that are worked on stay hidden from others."""

MAX_BATCH = 500
"""How many letters are worked on at once: so many that they are done, at 5 seconds each, before they show."""


@dataclass(frozen=True)
class RedriveResult:
    """How many letters were handed over, and about how many there are now: back again, or new."""

    redriven: int
    remaining: int


class DeadLetterQueue:
    """The queue of a stack, and the function that tells what is in it."""

    def __init__(self, sqs: Any, lambda_client: Any, url: str, function_name: str) -> None:
        """Take boto3's clients of SQS and of Lambda, the queue's address and the function's name."""
        self._sqs = sqs
        self._lambda = lambda_client
        self._url = url
        self._function_name = function_name

    def count(self) -> int:
        """Return about how many letters there are."""
        name = "ApproximateNumberOfMessages"
        response = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=[name])
        return int(response["Attributes"][name])

    def redrive(self) -> RedriveResult:
        """Hand the letters that are there to the function, each once; it puts back what it still cannot tell.

        A letter leaves the queue when the function has finished with it. Raises ``OperationError`` when the
        function fails: then that letter and the rest show again after an hour. Raises botocore's errors.
        """
        messages = self._receive_all()
        for completed, message in enumerate(messages):
            response = self._lambda.invoke(
                # What is in use, and not what was deployed last: that may have been taken back.
                FunctionName=self._function_name,
                Qualifier="live",
                Payload=message["Body"].encode(),
            )
            if "FunctionError" in response:
                raise OperationError(
                    f"the function failed after {completed} of {len(messages)} letters. Its log says why."
                    " Nothing is lost: the others show again in an hour"
                )
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return RedriveResult(len(messages), self.count())

    def _receive_all(self) -> list[dict[str, Any]]:
        """Take all letters, before the first is handed over: else one that comes back is taken again."""
        messages: list[dict[str, Any]] = []
        while len(messages) < MAX_BATCH:
            response = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=VISIBILITY_TIMEOUT,
                WaitTimeSeconds=1,
            )
            if not response.get("Messages"):
                break
            messages += response["Messages"]
        return messages
