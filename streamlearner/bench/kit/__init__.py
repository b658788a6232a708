"""What every experiment is made of: trials, rows, summaries over seeds, tables, data sets in order."""
