"""Lesions over time: two dates laid over each other, lesions matched one to one, and what became of each."""
