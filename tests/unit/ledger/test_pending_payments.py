from datetime import UTC, datetime

from paynearme.ledger.pending_payments import PARTITIONS, pending_attributes


def test_pending_payments_spread_over_all_partitions() -> None:
    decided_at = datetime(2026, 11, 20, tzinfo=UTC)
    keys = [(f"PAYMENT#S2155373459#{number}", "PAYMENT") for number in range(10 * PARTITIONS)]
    assert len({pending_attributes(key, decided_at)["pending_partition"] for key in keys}) == PARTITIONS
