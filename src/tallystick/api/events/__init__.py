"""Events: what happened, recorded in the transaction of the change it tells of (contract 6.6)."""
