"""The ML Test Score: 28 checks that are executed, and what they are worth."""
