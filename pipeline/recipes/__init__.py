"""One folder per clinical task; none may see another."""
