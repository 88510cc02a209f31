"""TODOOM."""
