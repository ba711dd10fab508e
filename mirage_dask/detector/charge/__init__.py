"""Charge that moves or stays behind: migration between pixels, spilling from saturated ones, persistence."""
