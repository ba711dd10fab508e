"""What this machine keeps: in memory, bounded, and on disk, with the time of last use."""
