"""How calls and batches progress, and the bars that show it."""
