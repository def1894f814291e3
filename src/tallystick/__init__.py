"""tallystick: a self-hostable, Dwolla-compatible bank-link gateway. See README.md."""
