"""Contracts of upstreams, heads and post-processors, tried on code that nobody has tried before.

Below `runs`, which will not train with a plugin that breaks them; `checks` has the rest.
"""
