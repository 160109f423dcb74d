import pytest

from sandbox.faults.fault_selection import Fault, Faults

UPDATE = "DynamoDB_20120810.UpdateItem"
GET = "DynamoDB_20120810.BatchGetItem"


def injected_modes(faults: list[Fault], *requests: tuple[str, bytes]) -> list[str | None]:
    """Return the mode of the fault for each request, or None without a fault."""
    active = Faults()
    for fault in faults:
        active.put(fault)
    injected = [active.next_fault(*request) for request in requests]
    counts = [count for counts in active.injection_counts().values() for count in counts.values()]
    assert sum(counts) == len([fault for fault in injected if fault])
    return [fault.mode if fault else None for fault in injected]


@pytest.mark.parametrize(
    ("fault", "operations", "injected"),
    [
        (Fault(service="dynamodb", mode="abort"), ["secretsmanager.GetSecretValue", UPDATE, GET, "other"], [1, 2]),
        (Fault(service="dynamodb", mode="abort", times=2), [UPDATE] * 4, [0, 1]),
        (Fault(service="dynamodb", mode="abort", every=3), [UPDATE] * 7, [2, 5]),
        (
            Fault(service="dynamodb", mode="abort", operations=frozenset({"UpdateItem"}), every=2, times=1),
            [GET, UPDATE, GET, GET, UPDATE, UPDATE, UPDATE],
            [4],
        ),
        (Fault(service="events", mode="partial"), ["AWSEvents.PutRule", "AWSEvents.PutEvents"], [1]),
    ],
)
def test_fault_injected_into_selected_requests(fault: Fault, operations: list[str], injected: list[int]) -> None:
    modes = injected_modes([fault], *((operation, b"{}") for operation in operations))

    assert [position for position, mode in enumerate(modes) if mode] == injected


def test_faults_with_different_body_contains_are_independent() -> None:
    first = Fault(service="dynamodb", mode="throttle", body_contains="100", times=1)
    second = Fault(service="dynamodb", mode="error500", body_contains="200")

    modes = injected_modes([first, second], *((UPDATE, body) for body in (b"300", b"200", b"100", b"100", b"200")))

    assert modes == [None, "error500", "throttle", None, "error500"]
