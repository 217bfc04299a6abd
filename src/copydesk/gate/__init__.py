"""The gate: whether a candidate may go into production.

`gate` is a pure function of evidence and rules; `measure` gathers the evidence of both models in one run, and
`promote` asks a registry for them, decides, and moves the alias.
"""
