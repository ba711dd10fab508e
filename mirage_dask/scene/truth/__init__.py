"""What is known of the sources of an exposure before a pixel is computed: places, electrons, and how much of them is seen."""
