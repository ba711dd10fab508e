"""Random numbers that are a pure function of what they are for: generator, keys, Poisson and normal deviates."""
