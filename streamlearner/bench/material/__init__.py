"""What experiments are made from: baselines, networks, memories and the papers' tables, without the
daemon."""
