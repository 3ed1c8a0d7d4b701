-- The table that the talk's pipeline follows: 20 customers of four statuses.
CREATE DATABASE IF NOT EXISTS demo;
USE demo;
CREATE TABLE CUSTOMERS (
  id INT PRIMARY KEY, first_name VARCHAR(50), last_name VARCHAR(50), email VARCHAR(50), gender VARCHAR(50),
  club_status VARCHAR(8), comments VARCHAR(90), create_ts TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  update_ts TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
INSERT INTO CUSTOMERS (id, first_name, last_name, email, gender, club_status, comments) VALUES
  (1, 'Ada', 'Berg', 'ada.berg@example.com', 'Female', 'bronze', 'Always takes the aisle.'),
  (2, 'Ben', 'Cole', 'ben.cole@example.com', 'Male', 'platinum', 'Flies with a cello.'),
  (3, 'Cleo', 'Dahl', 'cleo.dahl@example.com', 'Female', 'silver', 'Likes window seats.'),
  (4, 'Dora', 'Egan', 'dora.egan@example.com', 'Female', 'platinum', 'Wrote to us twice.'),
  (5, 'Emil', 'Falk', 'emil.falk@example.com', 'Male', 'gold', 'Vegetarian.'),
  (6, 'Fred', 'Gray', 'fred.gray@example.com', 'Male', 'platinum', 'Never checks a bag.'),
  (7, 'Gina', 'Holt', 'gina.holt@example.com', 'Female', 'bronze', 'Collects boarding passes.'),
  (8, 'Hugo', 'Ito', 'hugo.ito@example.com', 'Male', 'silver', 'Early bird.'),
  (9, 'Iris', 'Juhl', 'iris.juhl@example.com', 'Female', 'silver', 'Prefers trains.'),
  (10, 'Jan', 'Kern', 'jan.kern@example.com', 'Male', 'platinum', 'Travels for work.'),
  (11, 'Kaia', 'Lund', 'kaia.lund@example.com', 'Female', 'gold', 'Two children.'),
  (12, 'Leo', 'Moor', 'leo.moor@example.com', 'Male', 'bronze', 'New in the club.'),
  (13, 'Mina', 'Noor', 'mina.noor@example.com', 'Female', 'platinum', 'Sleeps on every flight.'),
  (14, 'Nils', 'Orr', 'nils.orr@example.com', 'Male', 'silver', 'Asks for tea.'),
  (15, 'Olga', 'Park', 'olga.park@example.com', 'Female', 'gold', 'Knows every airport.'),
  (16, 'Paul', 'Quist', 'paul.quist@example.com', 'Male', 'bronze', 'Missed one flight.'),
  (17, 'Rosa', 'Ryde', 'rosa.ryde@example.com', 'Female', 'platinum', 'Friend of the crew.'),
  (18, 'Sven', 'Stone', 'sven.stone@example.com', 'Male', 'silver', 'Upgrades with miles.'),
  (19, 'Tea', 'Thorn', 'tea.thorn@example.com', 'Female', 'gold', 'Pays in coins.'),
  (20, 'Ulf', 'Urban', 'ulf.urban@example.com', 'Male', 'platinum', 'Sends postcards.');
