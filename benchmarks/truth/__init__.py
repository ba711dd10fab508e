"""What `bench_truth.py` compares: simulated numbers against references, one module for each topic."""
