"""The pool side of the miner, and the daemon that joins both."""

__version__ = "0.1.0"
