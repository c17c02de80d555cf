"""Redis: what the processes of one installation share. Everything in it can be made again from the database."""
