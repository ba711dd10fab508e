"""What is read from files that others made: nothing in them is run, fetched or made a path of before it is checked.

`names`          names, keys and contexts, before a path or a shell command is made of them
`documents`      JSON and Parquet, of bounded size
`yaml_documents` YAML, of bounded size
`arrays`         Zarr arrays: version 3, number types and codecs of a list

A store may come from anybody. Numbers in it may be wrong; opening it must not harm whoever opens it.
"""
