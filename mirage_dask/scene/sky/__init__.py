"""The sky background: levels, dates, zodiacal light, and STScI's tool."""
