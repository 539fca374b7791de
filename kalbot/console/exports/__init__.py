"""What a person takes away: fills and settlements, closed lots for a tax year, the ledger, and the exchange's own form."""
