-- What is said about flights, as it is said. The columns of the value are those of its schema in the registry.
CREATE STREAM ratings (user_key STRING KEY) WITH (KAFKA_TOPIC='ratings', VALUE_FORMAT='AVRO');

-- Without what testers write.
CREATE STREAM ratings_live AS
  SELECT * FROM ratings WHERE LCASE(channel) NOT LIKE '%test%';

-- Who says it.
CREATE STREAM ratings_with_customers AS
  SELECT r.user_id, r.rating_id, c.first_name + ' ' + c.last_name AS full_name, c.club_status, r.stars, r.message
  FROM ratings_live r INNER JOIN customers c ON r.user_id = c.id;

-- Whom to call first.
CREATE STREAM unhappy_platinum_customers AS
  SELECT * FROM ratings_with_customers WHERE stars < 3 AND club_status = 'platinum';

-- How it goes, minute by minute.
CREATE TABLE ratings_per_minute AS
  SELECT club_status, COUNT(*) AS ratings, AVG(stars) AS average
  FROM ratings_with_customers WINDOW TUMBLING (SIZE 1 MINUTE)
  GROUP BY club_status;
