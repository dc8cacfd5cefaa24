"""Annotations as other tools write them: one file for each format, all read into the same types."""
