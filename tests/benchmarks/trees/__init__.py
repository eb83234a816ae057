"""Corpora in miniature: each file lays one out as its documentation says, without its audio."""
