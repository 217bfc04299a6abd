"""Files elsewhere: each kind of address through its own client, all read in the same way; folders in buckets."""
