"""The windows: one vendor, one room."""
