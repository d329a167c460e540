"""The conda part: conda-lock on a solver of our own, and what stands between both and us."""
