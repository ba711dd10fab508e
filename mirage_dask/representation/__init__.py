"""What objects show of themselves in a notebook: HTML with small pictures, made quickly and without matplotlib.

`page`        tables, names with values, parts that are opened by a click; everything is escaped
`exposures`   the exposures of a proposal as few rows
`outlines`    footprints on the sky as SVG
`tiles`       an exposure and its tiles as SVG
`thumbnails`  images as PNG

Texts of proposals and stores come from anybody. They get into a page through `page.text` alone. Colours are the reader's own
(`currentColor`, the variables of JupyterLab), or legible on white and on black.
"""
