"""What the law asks of every word that leaves: pure rules, no model decides over them."""
