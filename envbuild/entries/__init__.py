"""Entries of environment files: pip lines, MatchSpecs, and the files that hold them."""
