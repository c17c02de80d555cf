"""The words: frozen data that every floor speaks. No I/O."""
