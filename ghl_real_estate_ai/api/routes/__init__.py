"""One file per group of routes; each reads its request, asks one service, answers."""
