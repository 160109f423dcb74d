import json

import pytest

from paynearme.platform import observability


def test_metric_summed_per_invocation_and_reset(capsys: pytest.CaptureFixture[str]) -> None:
    observability.reset()
    for _ in range(250):
        observability.add_metric("EventPublished")
    for _ in range(2):
        observability.flush("publish_events", 200, 1.0)

    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line)
    assert first["EventPublished"] == 250
    assert "EventPublished" not in second
