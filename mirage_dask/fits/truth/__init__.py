"""Truth beside the files of the pipeline: variables that exist on request, as image extensions of a file of their own."""
