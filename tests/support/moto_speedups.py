"""moto without what it does again and again to the same effect, which takes much of the tests' time."""

from typing import Any

import pytest
from moto.dynamodb.models.table import StreamRecord
from moto.dynamodb.parsing.validators import ActionCountValidator


def skip_repeated_checks(patch: pytest.MonkeyPatch) -> None:
    """Let moto do once for an update expression what it does at each of its parts."""
    count_clauses = ActionCountValidator.verify_action_counts
    find_classes: Any = ActionCountValidator.nodes_to_be_processed
    classes: dict[type, Any] = {}

    # The clauses of the whole are those of all its parts.
    def count_at_root(check: ActionCountValidator, node: Any) -> Any:
        return node if node.parent else count_clauses(check, node)

    # What a check looks at depends on its class alone.
    def cached_classes(check: object) -> Any:
        if type(check) not in classes:
            classes[type(check)] = find_classes(check)
        return classes[type(check)]

    patch.setattr(ActionCountValidator, "verify_action_counts", count_at_root)
    patch.setattr("moto.dynamodb.parsing.ast_nodes.DepthFirstTraverser.nodes_to_be_processed", cached_classes)


def share_stream_records(patch: pytest.MonkeyPatch) -> None:
    """Let moto's copies of a table, one for each action of a transaction, share the stream's records.

    Nothing changes a record once it is in the stream.
    """
    patch.setattr(StreamRecord, "__deepcopy__", lambda record, _memo: record, raising=False)
