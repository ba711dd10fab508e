"""Light behind GR700XD of NIRISS: traces that are drawn on the client, and planes that a plan keeps."""
