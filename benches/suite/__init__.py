"""What `benches/run.py` is made of."""
