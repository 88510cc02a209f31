"""The doors and the clock: what listens, what sends, and what sets the rest going."""
