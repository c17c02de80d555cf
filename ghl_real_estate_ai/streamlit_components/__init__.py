"""The screens: clients of the API and of nothing else."""
