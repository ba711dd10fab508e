"""Completion in shells: scripts that follow from the parser of the command line.

`words`   what can be completed, as values
`scripts` these as scripts of bash, zsh and fish
`command` the command `completion`
"""
