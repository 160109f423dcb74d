"""Find authorized payments that PayNearMe never confirmed, and release their reservations."""
