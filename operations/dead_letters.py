"""The way back for what could not be told: each dead letter is handed to the function again."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from operations.errors import OperationError

_HIDDEN_SECONDS = 120
"""How long a letter that is worked on stays hidden from others: longer than the function may take."""


@dataclass(frozen=True)
class Redelivered:
    """What came of the letters that were there: told now, or back among the dead letters."""

    told: int
    back: int


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
        """Hand each letter that is there to the function, once; what it cannot tell it puts back.

        A letter leaves the queue when the function has finished with it. Raises ``OperationError`` when the
        function fails: then that letter and the rest are still there; botocore's errors.
        """
        before = self.count()
        handed = 0
        for letter in self._letters(before):
            answer = self._lambda.invoke(FunctionName=self._function_name, Payload=letter["Body"].encode())
            if "FunctionError" in answer:
                raise OperationError(
                    f"the function failed after {handed} letters; its log says why, and nothing is lost"
                )
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=letter["ReceiptHandle"])
            handed += 1
        back = min(self.count(), handed)
        return Redelivered(told=handed - back, back=back)

    def _letters(self, most: int) -> Iterator[dict[str, Any]]:
        """Yield at most so many letters. What comes back meanwhile is for the next time."""
        left = most
        while left > 0:
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=1,
                VisibilityTimeout=_HIDDEN_SECONDS,
                WaitTimeSeconds=2,
            )
            letters = answer.get("Messages", [])
            if not letters:
                return
            yield from letters
            left -= len(letters)
