"""What experiments are made of: trials, results, tables."""
