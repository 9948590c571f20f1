"""How much of one input is taken: where a table is checked, and again where it is decoded."""

# 10,000 x 10,000: 300 MB of pixels. A file of a few kilobytes can claim thousands of times as many.
MOST_PIXELS = 100_000_000
# 5,000 x 5,000: what an export decodes unless told otherwise. Its requests come from anyone, several at a time.
SERVING_PIXELS = 25_000_000
# Each scan of a JPEG costs a pass over all of its pixels. Common encoders write up to 10, of CMYK images 18.
MOST_SCANS = 32
# Parts of a JPEG (segments and scans) that are walked through, one by one. A color profile has up to 255.
MOST_SEGMENTS = 1000
# Steps through the blocks before and in the first frame of a GIF; up to 256 blocks of one size are one step.
MOST_BLOCK_STEPS = 4_000
