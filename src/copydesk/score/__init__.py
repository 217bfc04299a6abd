"""Files of texts in, Parquet with answers out, of any size."""
