"""Run one case in its own process: each line of the standard input is a number of calls. Each answer is a time.

The time is CPU time of all threads, in microseconds for one call. The output of the calls is discarded.
"""

import os
import sys
import time

from benchmarks.aws_stub import AwsStub
from benchmarks.cases import prepare


def main(name: str) -> None:
    """Prepare the case ``name``, and run the rounds."""
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        stub = AwsStub()
        call = prepare(name, stub)
        answers.write("ready\n")
        answers.flush()
        for line in sys.stdin:
            stub.requests.clear()
            started = time.process_time_ns()
            for _ in range(int(line)):
                call()
            answers.write(f"{(time.process_time_ns() - started) / int(line) / 1000}\n")
            answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
