"""Stops in the pupil wheels."""
