"""The way back for what could not be told: each dead letter is handed to the function again."""

from dataclasses import dataclass
from typing import Any

from operations.errors import OperationError

_HIDDEN_SECONDS = 3600
"""How long letters that are worked on stay hidden from others."""

_MOST_AT_ONCE = 500
"""How many letters are worked on at once: so many that they are done, at 5 seconds each, before they show."""


@dataclass(frozen=True)
class Redelivered:
    """How many letters were handed over, and about how many there are now: back again, or new."""

    handed: int
    left: int


class DeadLetters:
    """The queue of a stack, and the function that tells what is in it."""

    def __init__(self, sqs: Any, function: Any, url: str, function_name: str) -> None:
        """Take boto3's clients of SQS and of Lambda, the queue's address and the function's name."""
        self._sqs = sqs
        self._lambda = function
        self._url = url
        self._function_name = function_name

    def count(self) -> int:
        """Return about how many letters there are."""
        name = "ApproximateNumberOfMessages"
        answer = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=[name])
        return int(answer["Attributes"][name])

    def redeliver(self) -> Redelivered:
        """Hand the letters that are there to the function, each once; it puts back what it still cannot tell.

        A letter leaves the queue when the function has finished with it. Raises ``OperationError`` when the
        function fails: then that letter and the rest show again after an hour. Raises botocore's errors.
        """
        letters = self._letters()
        for done, letter in enumerate(letters):
            answer = self._lambda.invoke(
                # What is in use, and not what was deployed last: that may have been taken back.
                FunctionName=self._function_name,
                Qualifier="live",
                Payload=letter["Body"].encode(),
            )
            if "FunctionError" in answer:
                raise OperationError(
                    f"the function failed after {done} of {len(letters)} letters. Its log says why."
                    " Nothing is lost: the others show again in an hour"
                )
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=letter["ReceiptHandle"])
        return Redelivered(len(letters), self.count())

    def _letters(self) -> list[dict[str, Any]]:
        """Take all letters, before the first is handed over: else one that comes back is taken again."""
        letters: list[dict[str, Any]] = []
        while len(letters) < _MOST_AT_ONCE:
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=_HIDDEN_SECONDS,
                WaitTimeSeconds=1,
            )
            if not answer.get("Messages"):
                break
            letters += answer["Messages"]
        return letters
