"""The rules, on three steps: the bus, specialists over it, orchestrators over them."""
