"""The command line: one small file per stage that parses, calls and prints."""
