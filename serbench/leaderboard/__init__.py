"""What happens to results: stored, read back, ranked, shown."""
