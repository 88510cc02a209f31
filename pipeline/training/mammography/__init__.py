"""What makes the weights of the recipe `mammography`."""
