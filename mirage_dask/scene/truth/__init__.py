"""The sources of an exposure before a pixel is computed: places, electrons, and how much of them is seen."""
