"""Files at remote addresses: each kind of address through its own client, all read in the same way."""
