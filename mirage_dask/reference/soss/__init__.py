"""Single-object spectroscopy with NIRISS (GR700XD): where its orders fall, how much of their light is counted."""
