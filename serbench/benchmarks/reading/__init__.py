"""Corpora as they are distributed: tables, folders, audio."""
