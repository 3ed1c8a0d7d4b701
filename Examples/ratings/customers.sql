-- Who rates: a table, kept up to date by its topic. The last row of each id counts.
CREATE TABLE customers (id INT PRIMARY KEY, first_name STRING, last_name STRING, club_status STRING)
  WITH (KAFKA_TOPIC='customers', VALUE_FORMAT='JSON', PARTITIONS=4);

INSERT INTO customers (id, first_name, last_name, club_status) VALUES (1, 'Ada', 'Berg', 'bronze');
INSERT INTO customers (id, first_name, last_name, club_status) VALUES (2, 'Ben', 'Cole', 'platinum');
INSERT INTO customers (id, first_name, last_name, club_status) VALUES (3, 'Cleo', 'Dahl', 'silver');
INSERT INTO customers (id, first_name, last_name, club_status) VALUES (4, 'Dora', 'Egan', 'platinum');
INSERT INTO customers (id, first_name, last_name, club_status) VALUES (5, 'Emil', 'Falk', 'gold');
INSERT INTO customers (id, first_name, last_name, club_status) VALUES (6, 'Fred', 'Gray', 'platinum');
INSERT INTO customers (id, first_name, last_name, club_status) VALUES (7, 'Gina', 'Holt', 'bronze');
INSERT INTO customers (id, first_name, last_name, club_status) VALUES (8, 'Hugo', 'Ito', 'silver');
INSERT INTO customers (id, first_name, last_name, club_status) VALUES (9, 'Iris', 'Juhl', 'silver');
INSERT INTO customers (id, first_name, last_name, club_status) VALUES (10, 'Jan', 'Kern', 'platinum');
