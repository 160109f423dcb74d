"""moto without what it does again and again to the same effect, which takes much of the tests' time."""

from typing import Any

import pytest
from moto.dynamodb.models.table import StreamRecord
from moto.dynamodb.parsing.validators import ActionCountValidator


def spare_repeated_checks(patch: pytest.MonkeyPatch) -> None:
    """Let moto do once for an update expression what it does at each of its parts."""
    count_clauses = ActionCountValidator.verify_action_counts
    look_up_classes: Any = ActionCountValidator.nodes_to_be_processed
    classes: dict[type, Any] = {}

    # The clauses of the whole are those of all its parts.
    def count_in_the_whole(check: ActionCountValidator, part: Any) -> Any:
        return part if part.parent else count_clauses(check, part)

    # What a check looks at depends on its class alone.
    def classes_of(check: object) -> Any:
        if type(check) not in classes:
            classes[type(check)] = look_up_classes(check)
        return classes[type(check)]

    patch.setattr(ActionCountValidator, "verify_action_counts", count_in_the_whole)
    patch.setattr("moto.dynamodb.parsing.ast_nodes.DepthFirstTraverser.nodes_to_be_processed", classes_of)


def share_stream_records(patch: pytest.MonkeyPatch) -> None:
    """Let moto's copies of a table, one for each action of a transaction, share the stream's records.

    Nothing changes a record once it is in the stream.
    """
    patch.setattr(StreamRecord, "__deepcopy__", lambda record, _memo: record, raising=False)
