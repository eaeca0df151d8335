-- A database for each service, owned by a role that can connect to no other.
REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC;

CREATE ROLE point LOGIN PASSWORD 'point-development';
CREATE DATABASE point OWNER point;
REVOKE ALL ON DATABASE point FROM PUBLIC;

CREATE ROLE reservation LOGIN PASSWORD 'reservation-development';
CREATE DATABASE reservation OWNER reservation;
REVOKE ALL ON DATABASE reservation FROM PUBLIC;

CREATE ROLE payment LOGIN PASSWORD 'payment-development';
CREATE DATABASE payment OWNER payment;
REVOKE ALL ON DATABASE payment FROM PUBLIC;

CREATE ROLE seat LOGIN PASSWORD 'seat-development';
CREATE DATABASE seat OWNER seat;
REVOKE ALL ON DATABASE seat FROM PUBLIC;
