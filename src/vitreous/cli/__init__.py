"""One file per command. Nothing imports it; it may import anything, inside its functions."""
