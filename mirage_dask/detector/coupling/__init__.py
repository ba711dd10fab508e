"""What spreads a signal that pixels have collected: from pixel to pixel, and between outputs."""
