"""One file per figure: CPU per unit and ratios in one interleaved run, medians; see README.md beside this."""
