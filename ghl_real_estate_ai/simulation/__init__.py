"""The far side, simulated: a city of leads and the vendors that report on them, over real HTTP."""
