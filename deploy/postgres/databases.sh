#!/bin/sh
# PostgreSQL's image runs this at its first start: a database and its owner for MLflow, the same for the prediction log.
# The passwords are those of the files that the services themselves read.
set -eu
secrets=${SECRETS:-/run/secrets}
for name in mlflow copydesk; do
  password=$(sed -n 's/^password=//p' "$secrets/$name-database")
  test -n "$password"
  NAME="$name" PASSWORD="$password" psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" <<'SQL'
\getenv name NAME
\getenv password PASSWORD
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
