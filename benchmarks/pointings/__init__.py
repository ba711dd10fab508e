"""Pointings that are computed from the XML of real proposals, beside those of their pointing reports."""
