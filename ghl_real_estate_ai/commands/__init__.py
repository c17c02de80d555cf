"""What the command line does: one file per errand, each called by ``cli.py``, each over the floors below."""
