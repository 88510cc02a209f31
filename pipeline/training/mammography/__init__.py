"""What makes the models of the mammography recipe."""
