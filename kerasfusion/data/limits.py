"""How much of one input is taken: where a table is checked, and again where it is decoded."""

# 10,000 x 10,000: 300 MB of pixels. A file of a few kilobytes can claim thousands of times as many.
MOST_PIXELS = 100_000_000
