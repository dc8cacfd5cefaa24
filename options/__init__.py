"""The command line: every flag of the official code, checked at the edge, saved with the run."""
