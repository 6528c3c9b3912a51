-- Runs once, when PostgreSQL makes its data: a role and a database for each service, and no way from one into the other.
\set ON_ERROR_STOP on

\set password `cat /run/secrets/auth_database_password`
CREATE ROLE auth_service LOGIN PASSWORD :'password';
CREATE DATABASE auth_service OWNER auth_service ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE auth_service FROM PUBLIC;

\set password `cat /run/secrets/resource_database_password`
CREATE ROLE resource_service LOGIN PASSWORD :'password';
CREATE DATABASE resource_service OWNER resource_service ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE resource_service FROM PUBLIC;
