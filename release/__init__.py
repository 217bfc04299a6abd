"""What makes a release of Copydesk out of a checkout, and tries it: `python -m release`. No part of the package."""
