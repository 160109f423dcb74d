"""Remove repeated work from moto, which takes much of the tests' time."""

from typing import Any

import pytest
from moto.dynamodb.models.table import StreamRecord
from moto.dynamodb.parsing.validators import ActionCountValidator


def skip_repeated_checks(patch: pytest.MonkeyPatch) -> None:
    """Check an update expression once. moto checks it again at each of its nodes."""
    count_clauses = ActionCountValidator.verify_action_counts
    find_classes: Any = ActionCountValidator.nodes_to_be_processed
    classes: dict[type, Any] = {}

    # The root contains the clauses of all nodes.
    def count_at_root(check: ActionCountValidator, node: Any) -> Any:
        return node if node.parent else count_clauses(check, node)

    # The processed node classes depend on the class of the check only.
    def cached_classes(check: object) -> Any:
        if type(check) not in classes:
            classes[type(check)] = find_classes(check)
        return classes[type(check)]

    patch.setattr(ActionCountValidator, "verify_action_counts", count_at_root)
    patch.setattr("moto.dynamodb.parsing.ast_nodes.DepthFirstTraverser.nodes_to_be_processed", cached_classes)


def share_stream_records(patch: pytest.MonkeyPatch) -> None:
    """Share the stream's records between moto's copies of a table, one for each action of a transaction.

    Records never change.
    """
    patch.setattr(StreamRecord, "__deepcopy__", lambda record, _memo: record, raising=False)
