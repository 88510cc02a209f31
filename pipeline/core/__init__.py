"""The ground floor: the nouns everybody shares. Standard library only, no I/O."""
