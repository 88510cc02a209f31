"""Which lesion is treated in which session: estimated doses, what same-session lesions add to each other, a plan."""
