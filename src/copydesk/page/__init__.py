"""What Copydesk's web pages share: scripts, styles, and how they are sent."""
