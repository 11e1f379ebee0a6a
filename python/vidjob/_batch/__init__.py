"""Many renders: rows in, results and output files out."""
