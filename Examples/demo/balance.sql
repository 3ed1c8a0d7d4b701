-- A stream is what happened: bookings of accounts.
CREATE STREAM BOOKINGS (ACCOUNT VARCHAR KEY, AMOUNT INT)
  WITH (KAFKA_TOPIC='bookings', VALUE_FORMAT='JSON', PARTITIONS=1);

-- A table is what is: the sum of them, account by account.
CREATE TABLE BALANCES AS
  SELECT ACCOUNT, SUM(AMOUNT) AS BALANCE FROM BOOKINGS GROUP BY ACCOUNT;

-- Fifty come in.
INSERT INTO BOOKINGS (ACCOUNT, AMOUNT) VALUES ('12345', 50);

-- Twenty-five more.
INSERT INTO BOOKINGS (ACCOUNT, AMOUNT) VALUES ('12345', 25);

-- Sixty go out.
INSERT INTO BOOKINGS (ACCOUNT, AMOUNT) VALUES ('12345', -60);

-- The stream keeps the bookings.
SELECT ACCOUNT, AMOUNT FROM BOOKINGS EMIT CHANGES LIMIT 3;

-- The table's changes are a stream again: the balance after each booking.
SELECT ACCOUNT, BALANCE FROM BALANCES EMIT CHANGES LIMIT 3;

-- And the table has the balance of now.
SELECT ACCOUNT, BALANCE FROM BALANCES WHERE ACCOUNT = '12345';
