"""Truth tables made on the executors of a run."""
