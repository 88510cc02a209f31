"""How good a pipeline is: its findings against expert truth."""
