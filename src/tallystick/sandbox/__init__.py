"""The sandbox: simulators of the partners and the controls over them. Never loaded in live mode."""
