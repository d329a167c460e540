"""The parts of ``merge``: what MLmodel records, what clashes, which line of a server fits."""
