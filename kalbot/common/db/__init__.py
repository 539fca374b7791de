"""What the ORM lacks: statements that leave together, rows written at once, work done again after a lost race."""
