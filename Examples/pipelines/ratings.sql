--@test: ratings are counted by stars
CREATE STREAM ratings (user STRING KEY, stars INT) WITH (kafka_topic='ratings', value_format='JSON');
CREATE TABLE counts AS SELECT stars, COUNT(*) AS n FROM ratings GROUP BY stars;

INSERT INTO ratings (user, stars) VALUES ('ann', 5);
INSERT INTO ratings (user, stars) VALUES ('bob', 1);
INSERT INTO ratings (user, stars) VALUES ('eve', 5);

ASSERT VALUES counts (stars, n) VALUES (5, 1);
ASSERT VALUES counts (stars, n) VALUES (1, 1);
ASSERT VALUES counts (stars, n) VALUES (5, 2);

--@test: ratings know their users
CREATE TABLE users (id STRING PRIMARY KEY, city STRING) WITH (kafka_topic='users', value_format='JSON');
CREATE STREAM ratings (user STRING KEY, stars INT) WITH (kafka_topic='ratings', value_format='JSON');
CREATE STREAM enriched AS
  SELECT r.user AS user, r.stars AS stars, u.city AS city FROM ratings r LEFT JOIN users u ON r.user = u.id;

INSERT INTO users (id, city) VALUES ('ann', 'Bath');
INSERT INTO ratings (user, stars) VALUES ('ann', 4);
INSERT INTO ratings (user, stars) VALUES ('bob', 2);

ASSERT VALUES enriched (user, stars, city) VALUES ('ann', 4, 'Bath');
ASSERT VALUES enriched (user, stars, city) VALUES ('bob', 2, NULL);

--@test: who stops being unhappy leaves the table
CREATE TABLE moods (user STRING PRIMARY KEY, stars INT) WITH (kafka_topic='moods', value_format='JSON');
CREATE TABLE unhappy AS SELECT user, stars FROM moods WHERE stars < 3;

INSERT INTO moods (user, stars) VALUES ('ann', 1);
INSERT INTO moods (user, stars) VALUES ('ann', 4);

ASSERT VALUES unhappy (user, stars) VALUES ('ann', 1);
ASSERT NULL VALUES unhappy (user) KEY ('ann');

--@test: a name that nobody knows is an error
--@expected.error: io.confluent.ksql.util.KsqlException
--@expected.message: NOBODY does not exist
CREATE STREAM s AS SELECT * FROM nobody;
