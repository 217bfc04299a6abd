"""Quality figures as pure functions of arrays, a file per kind of answer; they do not know who answered."""
